from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest
from attrs import define, field
from support.clients import KEY

from triverse import (
    APIError,
    BadRequestError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    RateLimitError,
    Request,
    RequestTimeoutError,
    Response,
    ServerError,
    TriverseError,
)
from triverse.api import uploads
from triverse.api.transfers import TransferLimits
from triverse.api.upload_flow import upload_flow
from triverse.clients.upload_window import UploadWindows
from triverse.core.flow import Call
from triverse.core.headers import Headers
from triverse.core.multipart import MultipartBody
from triverse.core.runtime import Runtime
from triverse.core.secret import Secret

DONE = Response(uploads.UploadedFile("tasks/x.png"), 200, Headers(), 1, 0.1)
BROKEN = ConnectionFailedError("broken")


class NoBytes:
    size = 1

    def chunks(self) -> Iterator[bytes]:
        raise NotImplementedError


@define
class Upload:
    """One upload, driven by hand, with a clock that only pauses move."""

    max_retries: int = 2
    timeout: float = math.inf
    windows: UploadWindows = field(factory=UploadWindows)
    now: float = 1000.0
    calls: list[Call] = field(factory=list[Call])
    body: MultipartBody = field(
        factory=lambda: MultipartBody(NoBytes(), filename="x", content_type="x/y", boundary="edge")
    )

    def run(self, outcomes: Sequence[object]) -> object:
        runtime = Runtime(lambda: self.now, lambda: 0.0, lambda: 0.5, lambda: "id")
        limits = TransferLimits(runtime, self.max_retries, self.now + self.timeout)
        request: Request[uploads.UploadedFile] = Request("POST", "/upload/image", uploads.UploadedFile, safe=True)
        flow = upload_flow(request, self.body, self.windows.of(Secret(KEY)), limits)
        try:
            self._take(next(flow))
            for outcome in outcomes:
                self._take(flow.send(outcome))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # one of the outcome types
        except StopIteration as end:
            return end.value
        except TriverseError as error:
            return error
        raise AssertionError("the upload wants another attempt")

    def _take(self, effect: object) -> None:
        assert isinstance(effect, Call)
        assert effect.max_retries == 0
        self.calls.append(effect)
        self.now += effect.after

    @property
    def pauses(self) -> list[float]:
        return [call.after for call in self.calls]


def refused(retry_after: float | None = None) -> RateLimitError:
    return RateLimitError("slow down", status_code=429, code=2000, retry_after=retry_after)


def failed(status: int, retry_after: float | None = None) -> APIError:
    kind = ServerError if status >= 500 else BadRequestError
    return kind("failed", status_code=status, retry_after=retry_after)


def test_an_upload_that_succeeds_is_one_call_without_a_deadline() -> None:
    upload = Upload()
    assert upload.run([DONE]) == DONE.__class__(DONE.data, 200, Headers(), 1, 0.0)
    assert upload.pauses == [0.0]
    assert upload.calls[0].request.deadline is None


@pytest.mark.parametrize("failure", [BROKEN, RequestTimeoutError("slow"), failed(503), failed(408)])
def test_a_transient_error_is_retried_as_often_as_the_client_allows(failure: TriverseError) -> None:
    upload = Upload(max_retries=2)
    assert upload.run([failure, failure, failure]) is failure
    assert upload.pauses == [0.0, 0.25, 0.5]
    response = Upload(max_retries=2).run([failure, failure, DONE])
    assert isinstance(response, Response)
    assert (response.attempts, response.elapsed) == (3, 0.75)


@pytest.mark.parametrize("failure", [failed(400), failed(413), ConfigurationError("no")])
def test_any_other_error_is_raised_at_once(failure: TriverseError) -> None:
    upload = Upload()
    assert upload.run([failure]) is failure


def test_retry_after_replaces_the_pause() -> None:
    upload = Upload()
    upload.run([failed(503, 7.0), DONE])
    assert upload.pauses == [0.0, 7.0]


def test_a_pause_after_a_429_does_not_count_as_a_retry() -> None:
    upload = Upload(max_retries=1)
    assert isinstance(upload.run([refused(3.0), refused(9.0), BROKEN, refused(1.0), DONE]), Response)
    assert upload.pauses == [0.0, 3.0, 9.0, 0.25, 1.0]


def test_without_retry_after_the_pause_after_a_429_is_a_minute() -> None:
    upload = Upload(max_retries=0)
    last = refused()
    assert upload.run([refused()] * 5 + [last]) is last
    assert sum(upload.pauses) == 60.0


def test_a_server_that_refuses_for_ever_is_given_up() -> None:
    upload = Upload(max_retries=0)
    assert isinstance(upload.run([refused(0.0)] * 21), RateLimitError)
    assert isinstance(Upload().run([refused(1e9)]), RateLimitError)


def test_a_refused_upload_does_not_take_a_place_in_the_window() -> None:
    upload = Upload()
    assert isinstance(upload.run([refused(0.0)] * 15 + [DONE]), Response)
    assert upload.pauses == [0.0] * 16


def test_the_eleventh_upload_waits() -> None:
    windows = UploadWindows()
    for _ in range(10):
        Upload(windows=windows).run([DONE])
    upload = Upload(windows=windows)
    upload.run([DONE])
    assert upload.pauses == [60.5]


def test_each_attempt_takes_a_place() -> None:
    upload = Upload(max_retries=10)
    upload.run([failed(503, 0.0)] * 10 + [DONE])
    assert upload.pauses == [0.0] * 10 + [60.5]


def test_a_wait_that_does_not_fit_into_the_timeout_fails_at_once() -> None:
    windows = UploadWindows()
    for _ in range(10):
        Upload(windows=windows).run([DONE])
    error = Upload(windows=windows, timeout=60.0).run([])
    assert isinstance(error, DeadlineExceededError)
    assert "would have to wait 60.5 s" in str(error)
    later = Upload(windows=windows, timeout=61.0)
    later.run([DONE])
    assert later.pauses == [60.5]
    assert later.calls[0].request.deadline == 0.5
    failure = refused(20.0)
    assert Upload(timeout=20.0).run([failure]) is failure


def test_the_reason_why_a_body_stopped_is_raised_instead_of_the_failed_call() -> None:
    upload = Upload()
    upload.body.failure = error = ConfigurationError("source: changed")
    assert upload.run([BROKEN]) is error


@pytest.mark.parametrize("waits", [True, False])
def test_only_an_upload_that_was_not_yet_sent_gives_its_place_back(waits: bool) -> None:  # noqa: FBT001 - a parameter
    windows = UploadWindows()
    window = windows.of(Secret(KEY))
    for _ in range(10):
        window.reserve(1000.0)
    now = 1000.0 if waits else 2000.0
    runtime = Runtime(lambda: now, lambda: 0.0, lambda: 0.5, lambda: "id")
    request: Request[object] = Request("POST", "/x", object, safe=True)
    flow = upload_flow(request, Upload().body, window, TransferLimits(runtime, 0, math.inf))
    next(flow)
    flow.close()
    assert len(windows.starts[Secret(KEY)]) == (10 if waits else 11)
