from __future__ import annotations

from typing import Any

import pytest
from support.sandbox_api import Api

from triverse.sandbox import SandboxSettings
from triverse.sandbox.flows import FLOWS

QUOTE = "/tasks/pricing/quote"


@pytest.mark.parametrize(
    ("flow", "params", "priced", "cost"),
    [
        ("text-to-model", {}, {"texture_size": 1024, "turbo": False}, 100),
        ("text-to-model", {"texture_size": 2048, "prompt": "x"}, {"texture_size": 2048, "turbo": False}, 120),
        ("text-to-model", {"texture_size": 4096, "turbo": True}, {"texture_size": 4096, "turbo": True}, 140),
        ("texture-model", {"turbo": True}, {"texture_size": 1024}, 60),
        ("model-preview-render", {"image_count": 5}, {"image_count": 5}, 20),
        ("image-generation", {"anything": 1}, {}, 10),
    ],
)
def test_a_quote_is_the_price_of_the_normalised_parameters(
    flow: str, params: dict[str, Any], priced: dict[str, Any], cost: float
) -> None:
    api = Api(api_credits=880.9)
    status, data = api.post(QUOTE, {"flow_name": flow, "params": params, "surface": "web"})
    assert status == 200
    assert data == {"flow_name": flow, "params": priced, "cost_credits": cost, "available_credits": 880}
    assert (len(api.account.tasks), api.account.balance.frozen) == (0, 0)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_task_costs_what_was_quoted(flow: str) -> None:
    api = Api()
    body = {"prompt": "a red chair", "image_file": "http://a/b", "model_file": "http://a/b", "texture_size": 3000}
    _, quoted = api.post(QUOTE, {"flowName": flow, "params": body})
    _, created = api.post(f"/tasks/{flow}", body)
    assert created["cost_credits"] == quoted["cost_credits"]


def test_prices_can_be_replaced() -> None:
    api = Api(SandboxSettings(prices={"text-to-model": 7.5}))
    assert api.post(QUOTE, {"flow_name": "text-to-model"})[1]["cost_credits"] == 7.5
    assert api.create().cost == 7.5


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 1004),
        ({"flow_name": 3}, 1004),
        ({"flow_name": "text-to-speech"}, 2002),
        ({"flow_name": "text-to-model", "params": []}, 1004),
        ({"flow_name": "text-to-model", "params": {"texture_size": 5}}, 1004),
    ],
)
def test_a_quote_of_something_else_is_refused(body: dict[str, Any], code: int) -> None:
    status, error = Api().post(QUOTE, body)
    assert (status, error["code"]) == (400, code)
