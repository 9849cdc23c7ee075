"""Arguments and environment variables of the constructors."""

from __future__ import annotations

import traceback

import pytest
from support.clients import KEY, MODES, Mode, drive
from support.server import answer, serving

from triverse import AsyncTriverse, AuthenticationError, ConfigurationError, Triverse

each_client = pytest.mark.parametrize("kind", [Triverse, AsyncTriverse])
each_mode = pytest.mark.parametrize("mode", MODES)

DENIED = answer({"code": 1001, "message": "unknown key"}, 401)
PLAIN = "http://sandbox:8787/api/v1"


@each_client
def test_an_empty_base_url_does_not_mean_production(kind: type[Triverse | AsyncTriverse]) -> None:
    with pytest.raises(ConfigurationError, match="base_url is empty"):
        kind(KEY, base_url="")


@each_client
def test_an_empty_variable_for_the_base_url_counts_as_not_set(
    kind: type[Triverse | AsyncTriverse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVERSE_BASE_URL", "")
    assert "https://api.triverse.ai/api/v1" in repr(kind(KEY))


@each_client
def test_a_wrong_base_url_of_the_environment_is_reported_by_its_variable(
    kind: type[Triverse | AsyncTriverse], monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in (PLAIN, "api.triverse.ai", "https://[::1"):
        monkeypatch.setenv("TRIVERSE_BASE_URL", wrong)
        with pytest.raises(ConfigurationError, match=r"^TRIVERSE_BASE_URL (must begin|is not)"):
            kind(KEY)
        with pytest.raises(ConfigurationError, match=r"^base_url (must begin|is not)"):
            kind(KEY, base_url=wrong)


@each_client
def test_a_wrong_key_of_the_environment_is_reported_by_its_variable(
    kind: type[Triverse | AsyncTriverse], monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in ("", "Bearer a-key", "a key"):
        monkeypatch.setenv("TRIVERSE_API_KEY", wrong)
        with pytest.raises(ConfigurationError, match=r"^the API key in TRIVERSE_API_KEY (is|begins|contains)"):
            kind()
        with pytest.raises(ConfigurationError, match=r"^the API key (is|begins|contains)"):
            kind(wrong)


@each_client
def test_allow_http_of_the_environment_counts_whatever_is_passed(
    kind: type[Triverse | AsyncTriverse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVERSE_ALLOW_HTTP", "1")
    assert PLAIN in repr(kind(KEY, base_url=PLAIN, allow_http=False))


@each_client
def test_plain_http_to_another_host_is_refused_and_names_allow_http(
    kind: type[Triverse | AsyncTriverse],
) -> None:
    with pytest.raises(ConfigurationError, match="allow_http"):
        kind(KEY, base_url=PLAIN)


@each_client
def test_allow_http_allows_plain_http_to_any_host(
    kind: type[Triverse | AsyncTriverse], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PLAIN in repr(kind(KEY, base_url=PLAIN, allow_http=True))
    monkeypatch.setenv("TRIVERSE_ALLOW_HTTP", "1")
    assert PLAIN in repr(kind(KEY, base_url=PLAIN))
    monkeypatch.setenv("TRIVERSE_ALLOW_HTTP", "0")
    with pytest.raises(ConfigurationError):
        kind(KEY, base_url=PLAIN)


@each_client
@pytest.mark.parametrize("wrong", ["yes", 1, None])
def test_allow_http_must_be_a_bool(kind: type[Triverse | AsyncTriverse], wrong: bool) -> None:  # noqa: FBT001 - the values of a table
    with pytest.raises(ConfigurationError, match="allow_http"):
        kind(KEY, allow_http=wrong)


@each_client
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("max_connections", 0),
        ("max_connections", "8"),
        ("max_retries", -1),
        ("max_retries", 1.5),
        ("deadline", 0),
        ("deadline", "60"),
        ("timeout", None),
        ("timeout", "5"),
        ("base_url", 5),
        ("api_key", 7),
        ("api_key", ["a-key-in-a-list"]),
    ],
)
def test_a_wrong_argument_is_a_configuration_error_that_names_it(
    kind: type[Triverse | AsyncTriverse], name: str, wrong: object
) -> None:
    arguments = {"api_key": KEY, name: wrong}
    with pytest.raises(ConfigurationError, match=name.replace("api_key", "API key")):
        kind(**arguments)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked


@each_client
def test_a_view_without_a_key_never_uses_the_environments_key(
    kind: type[Triverse | AsyncTriverse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
    with pytest.raises(ConfigurationError, match="api_key"):
        kind().with_options(api_key=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked


@each_mode
@pytest.mark.parametrize("source", ["argument", "callable", "view", "environment"])
def test_a_401_names_the_source_of_the_key(mode: Mode, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
    expected = {
        "argument": "the argument api_key",
        "callable": "the api_key callable",
        "view": "the argument api_key",
        "environment": "the environment variable TRIVERSE_API_KEY",
    }[source]

    def sync_way(client: Triverse) -> object:
        return (client.with_options(api_key="another-key") if source == "view" else client).users.me()

    async def async_way(client: AsyncTriverse) -> object:
        return await (client.with_options(api_key="another-key") if source == "view" else client).users.me()

    key = {"callable": lambda: KEY, "environment": None}.get(source, KEY)
    with serving(lambda _: DENIED) as server, pytest.raises(AuthenticationError) as caught:
        drive(mode, sync_way, async_way, base_url=server.url, api_key=key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # None: from the environment
    assert expected in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))
