from __future__ import annotations

import base64
import copy
import html
import json
import logging
import pickle
import re
import traceback
import types
import urllib.parse
from collections.abc import Callable, Iterator

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Console
from rich.traceback import Traceback
from support.exchange_driver import Call, balance_call, error_of, reply

from triverse import AsyncTriverse, ConfigurationError, Request, Triverse, TriverseError, UserBalance
from triverse.core.attempt import Attempt, AttemptFailed, FailureKind, Outcome, Reply
from triverse.core.headers import Headers
from triverse.core.options import Policy
from triverse.core.secret import Secret

PLAIN = "tri-0123456789abcdef"
KEY = Secret(PLAIN)
ODD = "a/b+c=?&\"<>%\\~ 'z-0123"
KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=6, max_size=60).filter(
    lambda key: key == key.strip() and "[redacted]" not in key and key not in "[redacted]"
)


def spellings(key: str) -> list[str]:
    """What others make of a key."""
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
    """What whoever reads a text could find in it."""
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


@pytest.mark.parametrize("value", [PLAIN, "k", "two words", ODD])
def test_a_key_of_printable_ascii_is_taken_as_it_is(value: str) -> None:
    assert Secret(value).validated().reveal() == value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is empty"),
        (" key-0123", "begins or ends with white space"),
        ("key-0123\n", "begins or ends with white space"),
        ("key-0123\u00a0", "begins or ends with white space"),
        ("kéy-0123", "has characters outside ASCII"),
        ("key\u200b0123", "has characters outside ASCII"),
        ("key\ud8000123", "has characters outside ASCII"),
        ("key-\x000123", "has control characters"),
        ("key-\r\n0123", "has control characters"),
        ("key-\x7f0123", "has control characters"),
        (None, "must be a str, not NoneType"),
        (b"key-0123", "must be a str, not bytes"),
        (12345678, "must be a str, not int"),
        (KEY, "must be a str, not Secret"),
    ],
)
def test_a_key_that_could_not_be_sent_is_refused_without_being_shown(value: object, problem: str) -> None:
    secret = Secret(value)
    for act in (secret.validated, secret.reveal):
        with pytest.raises(ConfigurationError) as caught:
            act()
        assert str(caught.value) == f"the API key {problem}: copy it again from the Triverse console"
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


def test_options_that_are_of_no_use_show_no_key() -> None:
    with Triverse(PLAIN) as client:
        for bad in ({"api_key": "bad-0123456789\n"}, {"api_key": PLAIN, "timeout": -1.0}):
            with pytest.raises(ConfigurationError) as caught:
                client.with_options(**bad)  # pyright: ignore[reportArgumentType]  # drawn from a table
            assert not any("0123456789" in shown for shown in renderings(caught.value))


# --- Never shown ---------------------------------------------------------------------------------


def renderings(error: BaseException) -> Iterator[str]:
    """Every way in which tools show an error, variables of its frames included. The caller's own frames are its own."""
    while error.__traceback__ is not None and not is_ours(error.__traceback__.tb_frame):
        error.__traceback__ = error.__traceback__.tb_next
    yield from (str(error), repr(error), f"{error}")
    yield repr(pickle.dumps(error))
    for chained in (True, False):
        exception = traceback.TracebackException.from_exception(error, capture_locals=True)
        yield "".join(exception.format(chain=chained))
    console = Console(width=400, record=True, quiet=True)
    rendered = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True, locals_max_length=99)
    console.print(rendered)
    yield console.export_text()
    for link in exception_chain(error, set()):
        yield f"{link!r} {link} {link.args}"
        yield from (repr(value) for value in vars(link).values() if not isinstance(value, Unshowable))
        yield from (repr(frame.f_locals) for frame, _ in traceback.walk_tb(link.__traceback__) if is_ours(frame))


def exception_chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        yield from exception_chain(error.__cause__, seen)
        yield from exception_chain(error.__context__, seen)


def is_ours(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("triverse")


def test_a_secret_shows_in_no_representation() -> None:
    holders: list[object] = [KEY, [KEY], {"key": KEY}, Reply(200, key=KEY), AttemptFailed(OSError(), key=KEY)]
    for holder in holders:
        for shown in (str(holder), repr(holder), f"{holder}", f"{holder!r}", "%s" % (holder,), ascii(holder)):  # noqa: UP031 - one more way
            assert PLAIN not in shown
    assert repr(KEY) == "Secret('…')"


def test_a_secret_has_no_variables() -> None:
    with pytest.raises(TypeError):
        vars(KEY)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_for_pickling(protocol: int) -> None:
    for holder in (KEY, [KEY], Reply(200, key=KEY)):
        with pytest.raises(TypeError, match=r"^an API key is not for pickling: pass it on by environment variable"):
            pickle.dumps(holder, protocol)
    with pytest.raises(TypeError, match="environment variable"):
        copy.deepcopy(KEY)


def test_secrets_of_the_same_key_are_equal() -> None:
    assert Secret(PLAIN) == KEY
    assert hash(Secret(PLAIN)) == hash(KEY)
    assert Secret(PLAIN + "x") != KEY
    assert KEY != PLAIN


def test_many_secrets_spread_over_a_dictionary() -> None:
    assert len({hash(Secret(f"{PLAIN}-{number}")) for number in range(100)}) > 90


# --- Cut out of whatever others say --------------------------------------------------------------


@pytest.mark.parametrize("key", [PLAIN, ODD, "k/+" * 7, "sixsix"])
def test_a_key_is_cut_out_in_every_spelling(key: str) -> None:
    for spelling in spellings(key):
        redacted = Secret(key).redact(f"<<{spelling}>>")
        assert "[redacted]" in redacted
        assert redacted.startswith("<<")
        assert redacted.endswith(">>")
        assert not any(key in decoded for decoded in decodings(redacted))


@given(KEYS)
def test_any_key_is_cut_out_in_every_spelling(key: str) -> None:
    secret = Secret(key)
    for spelling in spellings(key):
        redacted = secret.redact(spelling)
        assume(key not in spelling.replace(key, "[redacted]"))
        assert key not in redacted
        assert "[redacted]" in redacted


def test_whole_spellings_leave_nothing_behind() -> None:
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
def test_inside_of_base64_all_that_is_only_of_the_key_goes(key: str, before: int) -> None:
    encoded = base64.b64encode(b"x" * before + key.encode() + b"~rest").decode()
    first, last = -(-8 * before // 6), 8 * (before + len(key)) // 6
    assert Secret(key).redact(encoded) == f"{encoded[:first]}[redacted]{encoded[last:]}"


def test_base64_goes_with_and_without_its_padding() -> None:
    encoded = base64.b64encode(PLAIN.encode()).decode()
    assert encoded.endswith("=")
    assert Secret(PLAIN).redact(encoded) == Secret(PLAIN).redact(encoded.rstrip("=")) == "[redacted]"


def test_a_spelling_that_holds_another_goes_whole() -> None:
    assert Secret("\\abcdef-01").redact(json.dumps("\\abcdef-01")) == '"[redacted]"'


def test_other_text_stays() -> None:
    text = "tri-0123456789abcde 0123456789abcdef tri- [x] ="
    assert KEY.redact(text) == text


def test_a_key_too_short_to_be_secret_is_left_in_texts() -> None:
    assert Secret("short").redact("a short text") == "a short text"
    assert Secret("sixsix").redact("a sixsix text") == "a [redacted] text"


def test_a_key_that_was_refused_cuts_nothing_out() -> None:
    assert Secret("").redact("text") == "text"
    assert Secret(f"{PLAIN}\n").redact(f"<{PLAIN}\n>") == f"<{PLAIN}\n>"
    assert Secret(None).redact("None") == "None"


def test_headers_lose_the_key_in_names_and_values_and_nothing_else() -> None:
    headers = Headers([(b"A", b"1"), (b"X-" + PLAIN.encode(), b"k=" + PLAIN.encode()), (b"B", b"\xff")])
    assert headers.redacted(KEY.redact).raw == ((b"A", b"1"), (b"X-[redacted]", b"k=[redacted]"), (b"B", b"\xff"))
    assert headers.redacted(Secret("something else").redact) is headers
    loud = Headers([(b"X-" + PLAIN.upper().encode(), b"1"), (b"B", b"2")])
    assert loud.redacted(KEY.redact).raw == ((b"x-[redacted]", b"1"), (b"B", b"2"))


# --- Cut out of errors of others -----------------------------------------------------------------


@attrs.frozen
class FrozenError(Exception):
    said: str


class SlyError(Exception):
    def __init__(self, said: str) -> None:
        super().__init__("sly")
        self.said = said
        self.parts = [said, 5]
        self.odd = Unshowable()

    def __str__(self) -> str:
        return f"{self.said} {self.parts}"


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


def noted(error: Exception) -> Exception:
    error.add_note(f"sent with {PLAIN}")
    return error


def caused(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error


def in_context(error: Exception, of: Exception, by: Exception | None = None) -> Exception:
    error.__context__ = of
    error.__cause__ = by or ValueError("harmless")
    return error


CAUSES: list[Callable[[], Exception]] = [
    lambda: ValueError(f"Illegal header value b'Bearer {PLAIN}'"),
    lambda: ValueError(PLAIN.encode(), 5, [PLAIN], {"k": PLAIN}),
    lambda: OSError(5, f"key {PLAIN}"),
    lambda: OSError(5, "No such file", PLAIN),
    lambda: FrozenError(PLAIN),
    lambda: SlyError(PLAIN),
    lambda: noted(ValueError("x")),
    lambda: caused(ValueError("x"), KeyError(PLAIN)),
    lambda: in_context(ValueError("x"), KeyError(PLAIN)),
    lambda: in_context(ValueError("x"), KeyError("harmless"), ValueError(PLAIN)),
    lambda: ExceptionGroup("several", [ValueError("x"), caused(ValueError("y"), OSError(PLAIN))]),
]


@pytest.mark.parametrize("make", CAUSES)
@pytest.mark.parametrize("failure", list(FailureKind))
def test_an_error_of_another_library_loses_the_key(make: Callable[[], Exception], failure: FailureKind) -> None:
    assert any(PLAIN in shown for shown in renderings(make()))
    outcome = thrown(make(), failure)
    error = balance_call(Policy(max_retries=0)).error(outcome)
    assert error.__cause__ is outcome.cause
    assert not any(PLAIN in shown for shown in renderings(error))


def thrown(error: Exception, failure: FailureKind) -> AttemptFailed:
    """As if it came up through the frames of an HTTP library that hold the request."""

    def send(_header: bytes) -> None:
        raise error

    try:
        send(b"Bearer " + PLAIN.encode())
    except Exception as caught:  # noqa: BLE001 - of any kind
        return AttemptFailed(caught, failure, KEY)
    raise AssertionError


def test_errors_that_come_from_each_other_lose_the_key() -> None:
    one, two = OSError(PLAIN), OSError(PLAIN)
    one.__context__, two.__context__ = two, one
    KEY.scrub(one)
    assert (str(one), str(two)) == ("[redacted]", "[redacted]")


def test_an_error_of_another_library_keeps_what_is_not_the_key() -> None:
    cause = ValueError("harmless", 5, b"x", ("a pair", 6))
    cause.add_note("a note")
    balance_call(Policy(max_retries=0)).error(AttemptFailed(cause, FailureKind.BROKEN, KEY))
    assert cause.args == ("harmless", 5, b"x", ("a pair", 6))
    assert cause.__notes__ == ["a note"]
    shown = OSError(2, "No such file", "name")
    balance_call(Policy(max_retries=0)).error(AttemptFailed(shown, FailureKind.BROKEN, KEY))
    assert (shown.errno, shown.strerror, shown.filename) == (2, "No such file", "name")


def test_a_failed_call_shows_no_key_whatever_the_server_says() -> None:
    bodies = [
        json.dumps({"code": c, "message": PLAIN, "suggestion": PLAIN, "detail": [PLAIN], "data": {PLAIN: PLAIN}})
        for c in (0, 2010)
    ]
    for status in (200, 401, 403, 503):
        for body in (*bodies, PLAIN, f'"{PLAIN}"'):
            answer = reply(status, body=body.encode(), headers={"X-Request-Id": PLAIN, "Via": PLAIN}, key=KEY)
            error = Call(Request("GET", "/thing", dict[str, float]), Policy(max_retries=0)).error(answer)
            assert not any(PLAIN in shown for shown in renderings(error))


def test_no_frame_and_no_context_of_an_error_holds_the_body() -> None:
    for body in (b'{"code": 0, "data": {"balance": "ada@example.com"}}', b"ada@example.com"):
        error = error_of(reply(body=body), UserBalance)
        assert not any("ada@example.com" in shown for shown in renderings(error))


def test_no_log_line_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    outcomes: list[Outcome] = [thrown(make(), FailureKind.BROKEN) for make in CAUSES]
    outcomes.append(reply(headers={"X-Request-Id": PLAIN}, key=KEY))
    balance_call(Policy(max_retries=99)).response(*outcomes)
    assert PLAIN not in caplog.text
    assert len(caplog.records) == 2 * len(CAUSES) + 1


def test_an_attempt_holds_no_key() -> None:
    assert "key" not in Attempt._fields


def test_an_error_never_holds_the_secret() -> None:
    error = error_of(reply(401, key=KEY))
    assert isinstance(error, TriverseError)
    assert not any(isinstance(value, Secret) for value in vars(error).values())
