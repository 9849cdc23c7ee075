from __future__ import annotations

from collections import abc
from enum import Enum
from typing import Any, get_type_hints

import pytest
from attrs import frozen

from triverse import AccountBalance, ConfigurationError, Request, UserBalance
from triverse.core.request import FileUpload
from triverse.core.result import Result


class Order(Enum):
    NEWEST = "newest"


def test_the_error_for_a_value_without_a_json_form_names_class_and_field() -> None:
    name: Any = object()
    with pytest.raises(ConfigurationError) as caught:
        AccountBalance(name).to_dict()
    assert str(caught.value) == "AccountBalance.name cannot be sent as JSON: JSON has no form for the type object"


def test_the_hints_of_a_result_class_can_be_resolved_in_any_module() -> None:
    @frozen
    class Price(Result):
        amount: float

    assert get_type_hints(Price.__init__)["extra"] == abc.Mapping[str, object]


def test_json_keeps_letters_of_all_languages() -> None:
    assert UserBalance(1.0, 2.0, extra={"name": "S\u00e4ule"}).to_json() == (
        '{"balance": 1.0, "frozen": 2.0, "name": "S\u00e4ule"}'
    )


def test_parameters_hold_the_value_of_an_enumeration() -> None:
    request = Request("GET", "/tasks", object, params={"order": Order.NEWEST, "page": 2})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]  # an enumeration is no documented type
    assert request.params == {"order": "newest", "page": 2}


def test_only_paths_and_bytes_that_cannot_change_are_equal_uploads() -> None:
    assert FileUpload("image", b"x") == FileUpload("image", b"x")
    assert FileUpload("image", bytearray(b"x")) != FileUpload("image", bytearray(b"x"))
