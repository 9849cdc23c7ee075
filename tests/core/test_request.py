from __future__ import annotations

import io
import math
import pickle
from pathlib import Path

import attrs
import pytest
from attrs import evolve

from triverse import ConfigurationError, Request, Triverse, UserBalance, UserInfo
from triverse.api import uploads, users
from triverse.core.request import JSON, Param


def test_builders_give_plain_values() -> None:
    assert users.me() == Request("GET", "/users/me", UserInfo)
    assert users.balance() == Request("GET", "/users/balance", UserBalance)
    assert hash(users.me()) == hash(Request("GET", "/users/me", UserInfo))


def test_a_request_is_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        users.me().path = "/users/balance"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # the point


def test_a_request_pickles() -> None:
    request = Request("POST", "/x", UserBalance, {"a": 1}, {"b": [1]})
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301 - our own bytes


def test_a_request_with_parameters_and_a_body_is_hashable() -> None:
    one, same, other = (Request("POST", "/x", UserBalance, {"a": a}, {"b": [1]}) for a in (1, 1, 2))
    assert hash(one) == hash(same)
    assert one == same
    assert one != other
    assert len({one, same, other}) == 2


def test_a_request_keeps_its_parameters_when_the_caller_changes_theirs() -> None:
    params: dict[str, str | int | float | bool | None] = {"a": 1}
    request = Request("GET", "/x", object, params)
    params["a"] = 2
    assert request.params == {"a": 1}


def test_a_request_keeps_its_body_when_the_caller_changes_theirs() -> None:
    tags: list[JSON] = ["a"]
    request = Request("POST", "/x", object, json={"tags": tags})
    tags.append("b")
    assert request.json == {"tags": ["a"]}
    assert evolve(request, path="/y").json == request.json


@pytest.mark.parametrize("name", ["params", "json"])
def test_parameters_and_body_of_a_request_cannot_be_changed(name: str) -> None:
    request = Request("POST", "/x", object, {"a": 1}, {"a": 1})
    with pytest.raises(TypeError, match="cannot be changed"):
        getattr(request, name)["a"] = 2


def test_uploads_are_equal_when_their_sources_are() -> None:
    sources: list[str | bytes | Path] = ["a.png", b"bytes", Path("a.png")]
    requests = [uploads.image(source) for source in sources]
    assert requests == [uploads.image(source) for source in sources]
    assert requests == pickle.loads(pickle.dumps(requests))  # noqa: S301 - our own bytes
    assert len({*requests}) == 3
    assert uploads.image(io.BytesIO(b"a")) != uploads.image(io.BytesIO(b"a"))


def test_methods_are_upper_case() -> None:
    assert Request("get", "/x", object).method == "GET"


def test_parameters_and_body_default_to_none() -> None:
    request = Request("GET", "/x", object)
    assert (request.params, request.json) == (None, None)


@pytest.mark.parametrize("method", ["", "GE T", "GET\n", "GÉT", "G3T", "1", None, 5, b"GET"])
def test_other_values_than_http_methods_are_refused(method: object) -> None:
    with pytest.raises(ConfigurationError, match="method must be an HTTP method such as GET, not ") as caught:
        Request(method, "/x", object)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked
    assert repr(method) in str(caught.value)


@pytest.mark.parametrize("path", ["/", "/users/me", "/a?b=c&d", "/ä/%20", "//host/x", "/..a", "/a?b=/../c", "/@x:1"])
def test_a_path_that_stays_below_the_base_url_is_taken(path: str) -> None:
    assert Request("GET", path, object).path == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "users",
        "https://example.com/",
        "@x",
        "/a b",
        "/a\n",
        "/a\x00",
        "/a\x7f",
        "/a\x9b",
        "/a\u2028",
        "/a#b",
        "/a\\b",
        "/..",
        "/a/../b",
        "/./a",
        "/%2e%2E/a",
        "/a/.%2e?b=c",
        "/\ud800",
    ],
)
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match="path must ") as caught:
        Request("GET", path, object)
    assert repr(path) in str(caught.value)


@pytest.mark.parametrize(
    "params",
    [
        {"a": "\ud800"},
        {"\ud800": 1},
        {"a": object()},
        {"a": ["b"]},
        {5: "a"},
        {"a": 10**5000},
        {"a": math.nan},
        {"a": -math.inf},
        5,
        "a=b",
        [],
    ],
)
def test_parameters_that_make_no_query_are_refused(params: object) -> None:
    message = "params must map str to str, int, finite float, bool or None, all of which UTF-8 can encode"
    with pytest.raises(ConfigurationError, match=f"^{message}$"):
        Request("GET", "/x", object, params)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked


def test_parameters_of_every_kind_are_taken() -> None:
    params: dict[str, Param] = {"a": "ä", "b": 1, "c": 2.5, "d": True, "e": None, "": ""}
    assert Request("GET", "/x", object, params).params == params


@pytest.mark.parametrize("path", [None, 5, b"/x"])
def test_a_path_that_is_no_text_is_refused(path: object) -> None:
    with pytest.raises(ConfigurationError):
        Request("GET", path, object)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_these_methods_may_be_sent_twice(method: str) -> None:
    assert Request(method, "/x", object).idempotent


@pytest.mark.parametrize("method", ["POST", "PATCH", "TRACE"])
def test_other_methods_may_be_sent_twice_only_with_an_order_id(method: str) -> None:
    assert Request(method, "/x", object).idempotent is False
    assert Request(method, "/x", object, json={"client_order_id": "o-1"}).idempotent is True
    assert Request(method, "/x", object, json={"client_order_id": ""}).idempotent is False
    assert Request(method, "/x", object, json=["client_order_id"]).idempotent is False
    assert Request(method, "/x", object, {"client_order_id": "o-1"}).idempotent is False


def test_a_body_that_contains_itself_is_refused_when_it_is_sent() -> None:
    endless: list[JSON] = []
    endless.append(endless)
    request = Request("POST", "/anything", object, json=endless)
    client = Triverse("tv-key-for-tests", base_url="http://127.0.0.1:9/api/v1")
    with client, pytest.raises(ConfigurationError, match="contains itself"):
        client.execute(request)
