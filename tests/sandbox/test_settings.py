from __future__ import annotations

from typing import Any

import pytest

from triverse import ConfigurationError
from triverse.sandbox import Sandbox, SandboxSettings


@pytest.mark.parametrize(
    "setting",
    [
        {"known_id": "perhaps"},
        {"known_id": len},
        {"known_id_flows": frozenset({"text-to-speech"})},
        {"creation_status": 204},
        {"queue_base": 2},
        {"progress": "fast"},
        {"outcome": "RUNNING"},
        {"etag": ""},
        {"workers": -1},
        {"workers": True},
        {"redirects": None},
        {"url_seconds": float("nan")},
        {"model_bytes": "300 MB"},
        {"prices": {"text-to-speech": 1}},
        {"prices": {"text-to-model": "cheap"}},
    ],
    ids=str,
)
def test_a_value_that_a_setting_does_not_have_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(setting)).replace("prices", "price")):
        SandboxSettings(**setting)


def test_settings_can_be_read_and_replaced_at_any_time() -> None:
    sandbox = Sandbox(settings=SandboxSettings(workers=3))
    assert sandbox.settings.workers == 3
    sandbox.settings = SandboxSettings()
    assert sandbox.settings == SandboxSettings()
    with pytest.raises(ConfigurationError, match="SandboxSettings"):
        sandbox.settings = {"workers": 3}  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]  # wrong on purpose
