from __future__ import annotations

import base64
import copy
import html
import json
import pickle
import re
import urllib.parse
from collections.abc import Callable, Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.renderings import renderings

from triverse import AsyncTriverse, ConfigurationError, Triverse
from triverse.core.attempt import AttemptFailed, Reply
from triverse.core.headers import Headers
from triverse.core.secret import Secret

PLAIN = "tri-0123456789abcdef"
KEY = Secret(PLAIN)
ODD = "a/b+c=?&%\\~,z-0123"
KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'`<>"), min_size=6, max_size=60
).filter(lambda key: "[redacted]" not in key and key not in "[redacted]" and not re.fullmatch(r"\$?\{.*\}", key))


def spellings(key: str) -> list[str]:
    """Return the forms in which other programs write a key."""
    plain = key.encode()
    return [
        key,
        f"Bearer {key}",
        repr(f"Bearer {key}"),
        repr(f"Bearer {key}".encode()),
        json.dumps({"key": key}),
        json.dumps(key).replace("/", r"\/"),
        urllib.parse.quote(key),
        urllib.parse.quote(key, safe=""),
        urllib.parse.quote_plus(key),
        urllib.parse.urlencode({"key": key}),
        html.escape(key),
        *(
            encode(before + plain + b":rest").decode()
            for encode in (base64.b64encode, base64.urlsafe_b64encode)
            for before in (b"", b"u", b"us", b"usr:")
        ),
        base64.b64encode(plain).decode(),
        base64.b64encode(plain).decode().rstrip("="),
        base64.urlsafe_b64encode(plain).decode(),
    ]


def decodings(text: str) -> Iterator[str]:
    """Yield the text as a reader could decode it."""
    yield text
    yield urllib.parse.unquote(text)
    yield urllib.parse.unquote_plus(text)
    yield html.unescape(text)
    yield text.replace(r"\/", "/").replace(r"\"", '"').replace(r"\'", "'").replace(r"\\", "\\")
    for run in re.findall(r"[A-Za-z0-9+/]+", text.translate(str.maketrans("-_", "+/"))):
        for start in range(4):
            usable = run[start : start + (len(run) - start) // 4 * 4]
            yield base64.b64decode(usable).decode("latin-1")


# --- Validation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [PLAIN, "k", "bearer-token", "a{b}", ODD])
def test_a_key_of_printable_ascii_is_accepted(value: str) -> None:
    assert Secret(value).validated().reveal() == value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is empty"),
        (" key-0123", "begins or ends with white space"),
        ("key-0123\n", "begins or ends with white space"),
        ("key-0123\u00a0", "begins or ends with white space"),
        ("Bearer key-0123", "begins with `Bearer `, which is added by the client"),
        ("bEARER\tkey-0123", "begins with `Bearer `, which is added by the client"),
        ('"key-0123"', "contains a quote"),
        ("'key-0123'", "contains a quote"),
        ("key-`0123", "contains a quote"),
        ("\u201ckey-0123\u201d", "contains a quote"),
        ("\u2018key-0123\u2019", "contains a quote"),
        ("<your key 0123>", "contains < or >, like a placeholder that was not replaced"),
        ("${KEY_0123}", "is a variable that was not replaced"),
        ("{{ key_0123 }}", "is a variable that was not replaced"),
        ("key 0123", "contains a space"),
        ("kéy-0123", "contains characters outside ASCII"),
        ("key\u200b0123", "contains characters outside ASCII"),
        ("key\ud8000123", "contains characters outside ASCII"),
        ("key-\x000123", "contains control characters"),
        ("key-\r\n0123", "contains control characters"),
        ("key-\x7f0123", "contains control characters"),
        (None, "must be a str, not NoneType"),
        (b"key-0123", "must be a str, not bytes"),
        (12345678, "must be a str, not int"),
        (KEY, "must be a str, not Secret"),
    ],
)
def test_a_key_that_is_no_bearer_token_is_refused_and_not_shown(value: object, problem: str) -> None:
    secret = Secret(value)
    for act in (secret.validated, secret.reveal):
        with pytest.raises(ConfigurationError) as caught:
            act()
        assert str(caught.value) == f"the API key {problem}: copy the key alone from the Triverse API dashboard"
        assert not any("0123" in shown for shown in renderings(caught.value) if shown)


@pytest.mark.parametrize("build", [Triverse, AsyncTriverse])
@pytest.mark.parametrize(
    "arguments",
    [
        {"api_key": "bad-0123456789\n"},
        {"api_key": PLAIN, "base_url": "ftp://example.com"},
        {"api_key": PLAIN, "timeout": -1.0},
        {"api_key": PLAIN, "max_connections": 0},
    ],
)
def test_a_client_that_cannot_be_built_shows_no_key(build: Callable[..., object], arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build(**arguments)
    assert not any("0123456789" in shown for shown in renderings(caught.value))


def test_options_that_are_refused_show_no_key() -> None:
    with Triverse(PLAIN) as client:
        for bad in ({"api_key": "bad-0123456789\n"}, {"api_key": PLAIN, "timeout": -1.0}):
            with pytest.raises(ConfigurationError) as caught:
                client.with_options(**bad)  # pyright: ignore[reportArgumentType]  # drawn from a table
            assert not any("0123456789" in shown for shown in renderings(caught.value))


# --- Never shown ---------------------------------------------------------------------------------


def test_a_secret_shows_in_no_representation() -> None:
    holders: list[object] = [KEY, [KEY], {"key": KEY}, Reply(200, key=KEY), AttemptFailed(OSError(), key=KEY)]
    for holder in holders:
        for shown in (str(holder), repr(holder), f"{holder}", f"{holder!r}", "%s" % (holder,), ascii(holder)):  # noqa: UP031 - another way to format
            assert PLAIN not in shown
    assert repr(KEY) == "Secret('…')"


def test_a_secret_has_no_instance_dictionary() -> None:
    with pytest.raises(TypeError):
        vars(KEY)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_cannot_be_pickled(protocol: int) -> None:
    for holder in (KEY, [KEY], Reply(200, key=KEY)):
        with pytest.raises(TypeError) as caught:
            pickle.dumps(holder, protocol)
        assert str(caught.value) == "an API key cannot be pickled: pass it in an environment variable instead"
    with pytest.raises(TypeError, match="environment variable"):
        copy.deepcopy(KEY)


def test_secrets_of_the_same_key_are_equal() -> None:
    assert Secret(PLAIN) == KEY
    assert hash(Secret(PLAIN)) == hash(KEY)
    assert Secret(PLAIN + "x") != KEY
    assert KEY != PLAIN


def test_many_secrets_spread_over_a_dictionary() -> None:
    assert len({hash(Secret(f"{PLAIN}-{number}")) for number in range(100)}) > 90


# --- Redaction -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [PLAIN, ODD, "k/+" * 7, "sixsix"])
def test_a_key_is_redacted_in_every_spelling(key: str) -> None:
    for spelling in spellings(key):
        redacted = Secret(key).redact(f"<<{spelling}>>")
        assert "[redacted]" in redacted
        assert redacted.startswith("<<")
        assert redacted.endswith(">>")
        assert not any(key in decoded for decoded in decodings(redacted))


@given(KEYS)
def test_any_key_is_redacted_in_every_spelling(key: str) -> None:
    secret = Secret(key)
    for spelling in spellings(key):
        redacted = secret.redact(spelling)
        assume(key not in spelling.replace(key, "[redacted]"))
        assert key not in redacted
        assert "[redacted]" in redacted


def test_a_whole_spelling_leaves_nothing_behind() -> None:
    for spelling in (PLAIN, ODD, base64.b64encode(PLAIN.encode()).decode()):
        assert Secret(ODD if spelling == ODD else PLAIN).redact(spelling) == "[redacted]"
    assert Secret(ODD).redact(urllib.parse.quote(ODD, safe="")) == "[redacted]"
    assert Secret(ODD).redact(urllib.parse.quote(ODD, safe="").lower()) == "[redacted]"
    assert Secret(ODD).redact(json.dumps(ODD)) == '"[redacted]"'
    assert Secret(ODD).redact(html.escape(ODD)) == "[redacted]"
    assert Secret(ODD).redact(repr(ODD)) == "'[redacted]'"
    assert Secret(ODD).redact(json.dumps(ODD).replace("/", r"\/")) == '"[redacted]"'


@pytest.mark.parametrize("key", [PLAIN, PLAIN + "g", PLAIN + "gh", ODD])
@pytest.mark.parametrize("before", range(4))
def test_inside_base64_all_characters_of_the_key_are_redacted(key: str, before: int) -> None:
    encoded = base64.b64encode(b"x" * before + key.encode() + b"~rest").decode()
    first, last = -(-8 * before // 6), 8 * (before + len(key)) // 6
    assert Secret(key).redact(encoded) == f"{encoded[:first]}[redacted]{encoded[last:]}"


def test_base64_is_redacted_with_and_without_padding() -> None:
    encoded = base64.b64encode(PLAIN.encode()).decode()
    assert encoded.endswith("=")
    assert Secret(PLAIN).redact(encoded) == Secret(PLAIN).redact(encoded.rstrip("=")) == "[redacted]"


def test_a_spelling_that_contains_another_is_redacted_whole() -> None:
    assert Secret("\\abcdef-01").redact(json.dumps("\\abcdef-01")) == '"[redacted]"'


def test_other_text_is_unchanged() -> None:
    text = "tri-0123456789abcde 0123456789abcdef tri- [x] ="
    assert KEY.redact(text) == text


def test_a_key_too_short_to_be_secret_is_not_redacted() -> None:
    assert Secret("short").redact("a short text") == "a short text"
    assert Secret("sixsix").redact("a sixsix text") == "a [redacted] text"


def test_a_refused_key_redacts_nothing() -> None:
    assert Secret("").redact("text") == "text"
    assert Secret(f"{PLAIN}\n").redact(f"<{PLAIN}\n>") == f"<{PLAIN}\n>"
    assert Secret(None).redact("None") == "None"


def test_headers_are_redacted_in_names_and_values() -> None:
    headers = Headers([(b"A", b"1"), (b"X-" + PLAIN.encode(), b"k=" + PLAIN.encode()), (b"B", b"\xff")])
    assert headers.redacted(KEY.redact).raw == ((b"A", b"1"), (b"X-[redacted]", b"k=[redacted]"), (b"B", b"\xff"))
    assert headers.redacted(Secret("something else").redact) is headers
    loud = Headers([(b"X-" + PLAIN.upper().encode(), b"1"), (b"B", b"2")])
    assert loud.redacted(KEY.redact).raw == ((b"x-[redacted]", b"1"), (b"B", b"2"))
