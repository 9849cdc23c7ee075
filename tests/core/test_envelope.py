from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchange_driver import NEW_YEAR, balance_call, error_of, reply

from triverse import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    InsufficientCreditsError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
    TriverseError,
    UserBalance,
)
from triverse.core.errors import TransportError
from triverse.core.secret import Secret

TABLE = [
    (1004, 400, BadRequestError),
    (1005, 404, NotFoundError),
    (1006, 404, NotFoundError),
    (2000, 429, RateLimitError),
    (2002, 400, BadRequestError),
    (2004, 400, BadRequestError),
    (2005, 409, ConflictError),
    (2008, 400, BadRequestError),
    (2010, 403, InsufficientCreditsError),
    (4042, 404, NotFoundError),
    (5003, 503, ServiceUnavailableError),
    (5004, 500, ServerError),
    (5005, 500, ServerError),
]
BY_STATUS = [
    (400, BadRequestError),
    (401, AuthenticationError),
    (402, InsufficientCreditsError),
    (403, PermissionDeniedError),
    (404, NotFoundError),
    (409, ConflictError),
    (422, BadRequestError),
    (429, RateLimitError),
    (500, ServerError),
    (502, ServerError),
    (503, ServiceUnavailableError),
    (504, ServerError),
    (599, ServerError),
    (600, APIError),
    (499, APIError),
    (418, APIError),
    (302, APIError),
    (101, APIError),
    (0, APIError),
]
KEY = Secret("tri-0123456789/abc+DEF==")


def api_error(status: int, answer: object = None, *, body: bytes | None = None, **headers: str) -> APIError:
    error = error_of(reply(status, answer, body=body, headers={n.replace("_", "-"): v for n, v in headers.items()}))
    assert isinstance(error, APIError), repr(error)
    return error


@pytest.mark.parametrize("status", [200, 201, 299])
def test_code_zero_under_2xx_gives_the_data(status: int) -> None:
    response = balance_call().response(reply(status))
    assert (response.data, response.status_code) == (UserBalance(100.5, 2.0), status)


def test_the_message_of_a_success_does_not_matter() -> None:
    answer = {"data": {"balance": 1, "frozen": 0}, "code": 0, "message": None, "trace": "x"}
    assert balance_call().response(reply(answer=answer)).data == UserBalance(1.0, 0.0)


@pytest.mark.parametrize(("code", "status", "kind"), TABLE)
def test_every_documented_code_has_its_class(code: int, status: int, kind: type[APIError]) -> None:
    error = api_error(status, {"code": code, "message": "What happened", "suggestion": "Do this."}, X_Request_Id="r-1")
    assert type(error) is kind
    assert (error.status_code, error.code, error.message) == (status, code, "What happened")
    assert (error.suggestion, error.request_id) == ("Do this.", "r-1")
    assert error.headers["X-Request-Id"] == "r-1"
    assert str(error) == f"What happened (GET /thing: HTTP {status}, code {code}, request r-1). Do this."


@pytest.mark.parametrize(("code", "status", "kind"), TABLE)
def test_a_documented_code_under_a_2xx_has_the_same_class(code: int, status: int, kind: type[APIError]) -> None:
    assert status
    error = api_error(200, {"code": code, "message": "No", "data": {}})
    assert type(error) is kind
    assert error.status_code == 200


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
@pytest.mark.parametrize("code", [9999, -1, 0, None])
def test_a_code_that_is_not_in_the_table_is_classed_by_status(
    status: int, kind: type[APIError], code: int | None
) -> None:
    error = api_error(status, {"code": code, "message": "New", "suggestion": "Read on."})
    assert type(error) is kind
    assert (error.code, error.message, error.suggestion) == (code, "New", "Read on.")


@pytest.mark.parametrize(("status", "code"), [(300, 2000), (404, 5003), (503, 2000)])
def test_a_documented_code_with_another_status_is_classed_by_the_status(status: int, code: int) -> None:
    error = error_of(reply(status, {"code": code, "message": "odd"}))
    assert type(error) is type(error_of(reply(status, {"code": 99999, "message": "odd"})))


def test_an_unknown_code_under_a_2xx_is_still_an_error() -> None:
    error = api_error(200, {"code": 9999, "message": "New"})
    assert type(error) is APIError
    assert error.code == 9999


def test_a_code_under_a_2xx_without_a_message_does_not_read_as_success() -> None:
    error = api_error(200, {"code": 2000})
    assert str(error).startswith("The service reported an error without a message (GET /thing: HTTP 200, code 2000). ")


def test_a_403_is_about_credits_only_with_code_2010() -> None:
    assert type(api_error(403, {"code": 2010})) is InsufficientCreditsError
    for code in (2011, None, "2010", 2010.0, True):
        assert type(api_error(403, {"code": code})) is PermissionDeniedError
    assert type(api_error(500, {"code": 2010})) is InsufficientCreditsError


@pytest.mark.parametrize("code", ["1005", 1005.0, True, [1005], {"a": 1}, None])
def test_a_code_that_is_no_number_is_none(code: object) -> None:
    assert api_error(400, {"code": code}).code is None


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html><h1>Bad Gateway</h1></html>", b"null", b"[]", b'"no"', b"5", b"{}", b"\xff", b"[" * 200_000, b'{"a"'],
)
def test_any_response_of_a_proxy_becomes_the_error_of_its_status(
    status: int, kind: type[APIError], body: bytes
) -> None:
    error = api_error(status, body=body)
    assert type(error) is kind
    assert (error.status_code, error.code, error.suggestion) == (status, None, None)
    assert "<" not in str(error)


def test_without_a_message_the_phrase_of_the_status_is_used() -> None:
    assert api_error(502, body=b"").message == "Bad Gateway"
    assert api_error(599, body=b"").message == "Unknown status"
    assert api_error(300, body=b"").message == "Multiple Choices"
    assert api_error(404, {"message": ""}).message == "Not Found"
    assert api_error(404, {"message": " \n"}).message == "Not Found"
    assert api_error(404, {"message": {"a": 1}}).message == "Not Found"


def test_without_a_suggestion_the_remedy_of_the_class_is_used() -> None:
    for suggestion in (None, "", " ", 5, ["x"]):
        error = api_error(401, {"message": "No", "suggestion": suggestion})
        assert error.suggestion is None
        assert str(error) == "No (GET /thing: HTTP 401). Check the API key, which came from the argument api_key."


DETAILS: list[tuple[object, str]] = [
    ("Not authenticated", "Not authenticated"),
    (
        [{"loc": ["query", "limit"], "msg": "Input should be an integer", "type": "int"}],
        "query.limit: Input should be an integer",
    ),
    (
        [{"loc": ["body", 0, None, {}], "msg": "One"}, {"loc": [], "msg": "Two"}, {"loc": ["x"]}, {"msg": "y"}, 5],
        "body.0: One; : Two",
    ),
    ([{"loc": ["x"], "msg": 5}, {"loc": "x", "msg": "y"}], "Unprocessable Entity"),
    ({"message": "Größe"}, "Größe"),
    ({"message": ["x"]}, "Unprocessable Entity"),
    ({"reason": "x"}, "Unprocessable Entity"),
    ([], "Unprocessable Entity"),
    (["text"], "Unprocessable Entity"),
    (None, "Unprocessable Entity"),
    (5, "Unprocessable Entity"),
    ("", "Unprocessable Entity"),
    ("\ud800", "?"),
]


@pytest.mark.parametrize(("detail", "message"), DETAILS)
def test_the_detail_of_fastapis_own_errors_becomes_the_message(detail: object, message: str) -> None:
    error = api_error(422, {"detail": detail})
    assert error.message.replace("Content", "Entity") == message
    assert type(error) is BadRequestError


def test_the_message_is_preferred_to_the_detail() -> None:
    assert api_error(400, {"message": "First", "detail": "Second"}).message == "First"


def test_the_servers_text_is_one_line_in_the_error_and_whole_in_attributes() -> None:
    error = api_error(400, {"message": "a\r\nb\x1b[31m\u2028c\u202e\x9b", "suggestion": "d\n\ne\x00"})
    assert str(error) == "a b?[31m c?? (GET /thing: HTTP 400). d e?"
    assert error.message == "a\r\nb\x1b[31m\u2028c\u202e\x9b"
    assert error.suggestion == "d\n\ne\x00"


def test_text_of_the_server_can_always_be_printed() -> None:
    error = api_error(400, {"message": "a\ud800b", "suggestion": "\udfff"})
    assert (error.message, error.suggestion) == ("a?b", "?")


def test_text_of_the_server_is_cut_at_a_limit() -> None:
    assert api_error(400, {"message": "x" * 2000}).message == "x" * 2000
    error = api_error(400, {"message": "x" * 2001, "suggestion": "y" * 100_000})
    assert error.message == "x" * 2000 + "…"
    assert error.suggestion == "y" * 2000 + "…"


def test_a_request_id_is_cut_and_printable() -> None:
    assert api_error(400, X_Request_Id="i" * 200).request_id == "i" * 128
    assert api_error(400, X_Request_Id="a\x1bb").request_id == "a?b"
    assert api_error(400, X_Request_Id="").request_id is None
    assert api_error(400, Request_Id="second", X_Request_Id="first").request_id == "first"
    assert api_error(400, Request_Id="second").request_id == "second"


def test_retry_after_is_an_attribute() -> None:
    assert api_error(429, Retry_After="2.5").retry_after == 2.5
    assert api_error(503, Retry_After="Thu, 01 Jan 2026 00:00:07 GMT").retry_after == 7.0
    assert api_error(429).retry_after is None
    assert NEW_YEAR == 1767225600.0


# --- Invalid successes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "problem", "path"),
    [
        (b"[]", "body: expected an object, got an array", "body"),
        (b"null", "body: expected an object, got null", "body"),
        (b'"x"', "body: expected an object, got a string", "body"),
        (b"{}", "code: missing", "code"),
        (b'{"code": "0", "data": {}}', "code: expected a whole number, got a string", "code"),
        (b'{"code": null, "data": {}}', "code: expected a whole number, got null", "code"),
        (b'{"code": false, "data": {}}', "code: expected a whole number, got false", "code"),
        (b'{"code": 0.0, "data": {}}', "code: expected a whole number, got the number 0.0", "code"),
        (b'{"code": 0}', "data: missing", "data"),
        (b'{"code": 0, "data": null}', "data: expected an object, got null", "data"),
        (
            b'{"code": 0, "data": {"balance": NaN, "frozen": 1}}',
            "data.balance: expected a finite number, got NaN",
            "data.balance",
        ),
        (b"", "the response body is empty", None),
        (b"<html>", "the response body is not JSON", None),
    ],
)
def test_a_success_of_another_shape_is_an_invalid_response(answer: bytes, problem: str, path: str | None) -> None:
    error = error_of(reply(body=answer, headers={"X-Request-Id": "r-1"}), UserBalance)
    assert isinstance(error, InvalidResponseError)
    assert (error.path, error.status_code, error.request_id) == (path, 200, "r-1")
    assert error.headers == {"x-request-id": "r-1"}
    assert str(error) == (
        f"unexpected response to GET /thing (HTTP 200): {problem}. "
        "Check the base URL; if it is correct, update triverse"
    )


def test_a_204_is_an_invalid_response() -> None:
    assert isinstance(error_of(reply(204, body=b"")), InvalidResponseError)


def test_a_path_with_text_of_the_server_is_printable() -> None:
    answer = {"code": 0, "data": {"a\n\ud800" + "b" * 3000: "x", "c": 1}}
    error = error_of(reply(answer=answer), dict[str, float])
    assert isinstance(error, InvalidResponseError)
    assert "(HTTP 200): data.a ?bbb" in str(error)
    assert len(str(error)) < 2500
    assert error.path is not None
    assert len(error.path) < 2500


# --- A key that the server repeats ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
def test_a_key_that_the_server_repeats_is_redacted_everywhere(status: int) -> None:
    text = f"bad key {KEY.reveal()}!"
    answer: dict[str, object] = {"code": 1, "message": text, "suggestion": text, "detail": [text], "data": {}}
    headers = {"X-Request-Id": KEY.reveal(), f"X-{KEY.reveal()}": "1", "Set-Cookie": f"k={KEY.reveal()}"}
    error = error_of(reply(status, answer, headers=headers, key=KEY))
    assert isinstance(error, APIError)
    assert error.message == "bad key [redacted]!"
    assert error.request_id == "[redacted]"
    assert KEY.reveal() not in f"{error} {error!r} {vars(error)} {error.headers.raw!r}"


def test_a_key_in_a_detail_is_not_shown() -> None:
    for detail in (KEY.reveal(), {"message": KEY.reveal()}, [{"loc": [KEY.reveal()], "msg": KEY.reveal()}]):
        error = error_of(reply(400, {"detail": detail}, key=KEY))
        assert isinstance(error, APIError)
        assert error.message in {"[redacted]", "[redacted]: [redacted]"}


def test_a_key_in_a_path_is_not_shown() -> None:
    answer = {"code": 0, "data": {KEY.reveal(): "x"}}
    error = error_of(reply(answer=answer, key=KEY), dict[str, float])
    assert isinstance(error, InvalidResponseError)
    assert error.path == "data.[redacted]"
    assert "(HTTP 200): data.[redacted]: expected a number, got a string" in str(error)


def test_no_part_of_a_key_at_the_cut_is_shown() -> None:
    for before in range(1980, 2001):
        error = error_of(reply(400, {"message": "x" * before + KEY.reveal()}, key=KEY))
        assert isinstance(error, APIError)
        assert KEY.reveal()[:4] not in error.message


@given(
    status=st.integers(0, 999),
    answer=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["code", "message", "suggestion", "detail", "data"]), inner, max_size=5)
        ),
        max_leaves=9,
    ),
    key=st.none() | st.just(KEY),
)
def test_any_json_under_any_status_is_a_result_or_one_line(status: int, answer: object, key: Secret | None) -> None:
    body = json.dumps(answer).encode()
    end = balance_call().run([reply(status, body=body, key=key)] * 3)
    if isinstance(end, TriverseError):
        assert not isinstance(end, TransportError)
        assert str(end).isprintable()
        str(end).encode()
