from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import NamedTuple, cast

import attrs
import httpx
import pytest
from support.exchange_driver import Call, balance_call, error_of, reply
from support.renderings import Unshowable, renderings

from triverse import Request, TransportError, TriverseError, UserBalance
from triverse.core.attempt import Attempt, AttemptFailed, FailureKind, Outcome
from triverse.core.options import Policy
from triverse.core.secret import Secret

PLAIN = "tri-0123456789abcdef"
KEY = Secret(PLAIN)


@attrs.frozen
class FrozenError(Exception):
    detail: str


class AttributesError(Exception):
    def __init__(self, detail: str) -> None:
        super().__init__("attributes")
        self.detail = detail
        self.parts = [detail, 5]
        self.odd = Unshowable()

    def __str__(self) -> str:
        return f"{self.detail} {self.parts}"


class SlotsError(Exception):
    __slots__ = ("_hidden", "detail", "empty")

    def __init__(self, detail: str) -> None:
        self.detail = detail
        self._hidden = {"by name": {detail}, detail: frozenset([detail])}

    def __str__(self) -> str:
        return f"{self.detail} {self._hidden}"


class ClosureError(Exception):
    """Keeps its text in a function, where it cannot be redacted."""

    text = staticmethod(lambda: f"sent with {PLAIN}")

    def __str__(self) -> str:
        return self.text()


class RequestError(Exception):
    """Refers to an object whose repr does not show what its pickle contains."""

    def __init__(self) -> None:
        super().__init__("the request failed")
        self.sent = httpx.Request("GET", "http://127.0.0.1/", headers={"X-Key": PLAIN})


class HandlersError(ExceptionGroup[Exception]):
    """A subclass of ExceptionGroup, as older versions of anyio and trio had."""


class Pair(NamedTuple):
    one: object
    two: object


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
    lambda: AttributesError(PLAIN),
    lambda: SlotsError(PLAIN),
    ClosureError,
    RequestError,
    lambda: ImportError(f"no module {PLAIN}", name=PLAIN, path=PLAIN),
    lambda: SyntaxError(f"bad {PLAIN}", (f"{PLAIN}.py", 1, 1, f"key = {PLAIN}")),
    lambda: UnicodeEncodeError("ascii", f"é{PLAIN}", 0, 1, f"cannot encode {PLAIN}"),
    lambda: UnicodeDecodeError("ascii", b"\xe9" + PLAIN.encode(), 0, 1, f"cannot decode {PLAIN}"),
    lambda: UnicodeTranslateError(f"é{PLAIN}", 0, 1, f"cannot translate {PLAIN}"),
    lambda: OSError(5, "No such file", "one", None, PLAIN),
    lambda: AttributeError(f"no attribute {PLAIN}", name=PLAIN, obj=[PLAIN]),
    lambda: NameError(f"no name {PLAIN}", name=PLAIN),
    lambda: StopAsyncIteration(PLAIN),
    lambda: ValueError("the cause is an argument", KeyError(PLAIN)),
    lambda: ValueError(Pair(PLAIN, 1), {PLAIN: [bytearray(PLAIN.encode())]}, ...),
    lambda: ExceptionGroup(f"sent with {PLAIN}", [ValueError("x")]),
    lambda: noted(ExceptionGroup("several", [ValueError("x")])),
    lambda: HandlersError("several", [ValueError("x"), ExceptionGroup(PLAIN, [ValueError(PLAIN), noted(OSError())])]),
    lambda: caused(ValueError("x"), ExceptionGroup(PLAIN, [ValueError("y")])),
    lambda: in_context(ValueError("x"), ExceptionGroup("several", [ClosureError()])),
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
    assert isinstance(error, TransportError)
    assert error.__cause__ is error.cause
    assert not any(PLAIN in shown for shown in renderings(error))


def thrown(error: Exception, failure: FailureKind) -> AttemptFailed:
    """Return the outcome of an error that passed through a frame that holds the key, as frames of HTTP libraries do."""

    def send(_header: bytes) -> None:
        raise error

    try:
        send(b"Bearer " + PLAIN.encode())
    except Exception as caught:  # noqa: BLE001 - errors of any kind
        return AttemptFailed(caught, failure, KEY)
    raise AssertionError


def test_errors_that_come_from_each_other_lose_the_key() -> None:
    one, two = OSError(PLAIN), OSError(PLAIN)
    one.__context__, two.__context__ = two, one
    KEY.scrub(one)
    assert (str(one), str(two)) == ("[redacted]", "[redacted]")


def test_a_text_that_cannot_be_redacted_replaces_its_exception() -> None:
    cleaned = KEY.scrub(caused(ClosureError(), ValueError("why")))
    assert type(cleaned) is Exception
    assert str(cleaned) == "ClosureError: sent with [redacted]"
    assert str(cleaned.__cause__) == "why"


def test_an_exception_group_is_rebuilt_with_its_notes_and_links() -> None:
    inner = ValueError("inner")
    group = noted(caused(ExceptionGroup(f"sent with {PLAIN}", [inner, OSError(5, PLAIN)]), KeyError("why")))
    cleaned = KEY.scrub(group)
    assert isinstance(cleaned, ExceptionGroup)
    assert cleaned.message == "sent with [redacted]"
    assert cast("ExceptionGroup[Exception]", cleaned).exceptions[0] is inner
    assert cleaned.__notes__ == ["sent with [redacted]"]
    assert isinstance(cleaned.__cause__, KeyError)
    assert cleaned.__suppress_context__


def test_a_group_without_the_key_stays_the_same_object() -> None:
    member = OSError(5, PLAIN)
    group = HandlersError("several", [ValueError("x"), member])
    assert KEY.scrub(group) is group
    assert str(member) == "[Errno 5] [redacted]"


def test_links_to_a_replaced_exception_are_replaced_too() -> None:
    group = ExceptionGroup(PLAIN, [ValueError("x")])
    one = in_context(ValueError("one"), group, group)
    group.__context__ = one
    cleaned = KEY.scrub(one)
    assert cleaned is one
    assert one.__cause__ is one.__context__ is not group
    assert str(one.__cause__) == "[redacted] (1 sub-exception)"
    assert cast("BaseException", one.__cause__).__context__ is one


def test_containers_that_contain_themselves_are_left_in_place() -> None:
    loop: list[object] = []
    loop.append(loop)
    error = ValueError(loop, PLAIN)
    assert KEY.scrub(error) is error
    assert error.args == (loop, "[redacted]")


def test_an_argument_nested_too_deep_to_search_is_dropped() -> None:
    deep: list[object] = [PLAIN]
    for _ in range(sys.getrecursionlimit()):
        deep = [deep]
    error = KEY.scrub(ValueError(deep))
    assert type(error) is Exception
    assert PLAIN not in str(error)


def test_objects_are_searched_up_to_a_limit() -> None:
    class Large(Exception):  # noqa: N818 - not an error of the package
        pass

    error = Large()
    error.content = Blob(b"x" * 3_000_000)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # as other libraries do
    assert KEY.scrub(error) is error
    error.content = Blob(PLAIN.encode() + b"x" * 3_000_000)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # as other libraries do
    assert KEY.scrub(error) is error
    assert vars(error)["content"] == "Blob()"


class Blob:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def __repr__(self) -> str:
        return "Blob()"


def test_an_error_of_another_library_keeps_text_without_the_key() -> None:
    cause = ValueError("harmless", 5, b"x", ("a pair", 6), int)
    cause.add_note("a note")
    balance_call(Policy(max_retries=0)).error(AttemptFailed(cause, FailureKind.BROKEN, KEY))
    assert cause.args == ("harmless", 5, b"x", ("a pair", 6), int)
    assert cause.__notes__ == ["a note"]
    shown = OSError(2, "No such file", "name")
    balance_call(Policy(max_retries=0)).error(AttemptFailed(shown, FailureKind.BROKEN, KEY))
    assert (shown.errno, shown.strerror, shown.filename) == (2, "No such file", "name")


def test_a_failed_call_shows_no_key_for_any_text_of_the_server() -> None:
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
    balance_call(Policy(max_retries=99, deadline=None)).response(*outcomes)
    assert PLAIN not in caplog.text
    assert len(caplog.records) == 2 * len(CAUSES) + 1


def test_an_attempt_holds_no_key() -> None:
    assert "key" not in Attempt._fields


def test_an_error_never_holds_the_secret() -> None:
    error = error_of(reply(401, key=KEY))
    assert isinstance(error, TriverseError)
    assert not any(isinstance(value, Secret) for value in vars(error).values())
