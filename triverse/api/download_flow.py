"""The rules of one download, whether it goes to a file or is read as a stream.

- Each attempt begins at the API, or with the asset's `preview_url`, and follows at most three redirects, so that a
  signed URL that has expired is replaced by a new one.
- A transfer that breaks is continued with `Range` and `If-Range` if the first response had a strong `ETag` and the size
  of the file is known. The response must be a 206 that continues at the right byte of the same file. In all other cases
  the file begins once more, which a stream cannot do once it has handed on bytes.
- A continued transfer that brought new bytes is repeated without limit. Every other repetition counts as a retry.
- `timeout` bounds all of it; the client's `deadline` does not apply.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from http import HTTPStatus
from typing import Final, NoReturn, TypeAlias, cast

from attrs import evolve

from triverse.api.assets import Asset, asset_request, preview_url
from triverse.api.downloads import Begin, Data, Download, DownloadEffect, Open, Read, Stream
from triverse.api.transfers import TransferLimits
from triverse.core.api_errors import APIError, AuthenticationError
from triverse.core.attempt import Attempt, AttemptFailed, FailureKind, Outcome, Reply
from triverse.core.content_range import content_length, continues_at, is_encoded, range_headers, strong_etag
from triverse.core.errors import DeadlineExceededError, InvalidResponseError, TriverseError
from triverse.core.exchange import log_attempt, log_retry, outcome_error, redact_outcome, request_text
from triverse.core.file_content import ContentError, FileContent
from triverse.core.filenames import safe_filename, sent_filename
from triverse.core.flow import Call, Notify
from triverse.core.options import Policy
from triverse.core.progress import Progress
from triverse.core.redirects import MAX_REDIRECTS, RedirectError, is_redirect, redirect_target
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.response_body import MAX_BODY_BYTES
from triverse.core.retry import MAX_RETRY_DELAY, backoff, is_transient

__all__ = ["DownloadFlow", "download_flow"]

DownloadFlow: TypeAlias = Generator[DownloadEffect, object, None]

_MAX_CHUNK: Final = 64 * 1024
_READ: Final = Read()
# `Accept-Encoding` since ranges and sizes are those of the file, not of a compressed form of it.
_HEADERS: Final = (("Accept", "*/*"), ("Accept-Encoding", "identity"))


def download_flow(
    plan: Stream, policy: Policy, limits: TransferLimits, *, secure: bool, must_be_glb: bool = False
) -> DownloadFlow:
    """Transfer one file.

    Args:
        plan: what to transfer; a `Download` may begin once more after it has handed on bytes.
        policy: timeouts and retries of the client.
        limits: how long and how often it may be tried.
        secure: whether the base URL is https, so that nothing is fetched over http.
        must_be_glb: whether the target has the name of a GLB.

    Raises:
        TriverseError: by the rules at the head of this module.
    """
    try:
        yield from _Transfer(plan, policy, limits, secure=secure, must_be_glb=must_be_glb).run()
    except TriverseError as error:
        error.task_uuid = plan.task_uuid
        raise


class _Transfer:
    """The state of one transfer."""

    def __init__(
        self, plan: Stream, policy: Policy, limits: TransferLimits, *, secure: bool, must_be_glb: bool
    ) -> None:
        self._plan = plan
        self._policy = policy
        self._limits = limits
        self._secure = secure
        self._must_be_glb = must_be_glb
        self._retries = 0
        self._may_renew_key = policy.refreshes_key
        # About the file, from its first byte on.
        self._content: FileContent | None = None
        self._etag: str | None = None
        self._fallback_name = str(plan.task_uuid)
        self._sent_name: str | None = None
        self._content_type = ""
        self._has_begun = False
        self._has_handed_on = False
        # About the attempts.
        deadline = None if limits.until == math.inf else limits.until
        self._attempt = Attempt(self._api_request(), 0.0, 1, deadline, policy.timeout)
        self._outcome: Outcome | None = None
        self._last_error: TriverseError | None = None

    def run(self) -> DownloadFlow:
        while True:
            content, before = self._content, self._received
            error = yield from self._one_attempt()
            if error is None:
                return
            self._last_error = error
            wait = self._pause(error, self._received - (before if self._content is content else 0))
            now = self._limits.runtime.monotonic()
            if wait > MAX_RETRY_DELAY or now + wait >= self._limits.until:
                raise error
            log_retry(self._attempt, cast("Outcome", self._outcome), wait)
            self._attempt = self._attempt._replace(after=wait, number=self._attempt.number + 1)

    @property
    def _received(self) -> int:
        return 0 if self._content is None else self._content.received

    def _pause(self, error: TriverseError, new_bytes: int) -> float:
        """Return the seconds to wait before the next attempt, or raise the error if there is to be none."""
        if isinstance(error, AuthenticationError) and self._may_renew_key and self._attempt.request.url is None:
            self._may_renew_key = False
            return 0.0
        continues = self._range() is not None
        if not is_transient(error) or isinstance(error, DeadlineExceededError) or not (continues or self._may_restart):
            raise error
        if continues and new_bytes > 0:
            return 0.0 if new_bytes >= _MAX_CHUNK else backoff(0, self._limits.runtime.jitter())
        self._count_retry(error)
        requested = error.retry_after if isinstance(error, APIError) else None
        return backoff(self._retries - 1, self._limits.runtime.jitter()) if requested is None else requested

    @property
    def _may_restart(self) -> bool:
        return isinstance(self._plan, Download) or not self._has_handed_on

    def _count_retry(self, error: TriverseError) -> None:
        if self._retries >= self._limits.max_retries:
            raise error
        self._retries += 1

    def _range(self) -> tuple[int, int, str] | None:
        """Return offset, size and `ETag` of a file that can be continued; None if it has to begin once more."""
        content = self._content
        if content is None or self._etag is None or content.expected is None or content.received == 0:
            return None
        return content.received, content.expected, self._etag

    def _one_attempt(self) -> Generator[DownloadEffect, object, TriverseError | None]:
        """Return None if the file is complete, else the error that ended the attempt."""
        outcome = yield from self._open()
        if isinstance(outcome, AttemptFailed):
            return self._error(outcome)
        resumed = self._range()
        if resumed is not None and outcome.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return self._not_continued(outcome)
        if not HTTPStatus.OK <= outcome.status < HTTPStatus.MULTIPLE_CHOICES:
            return self._error((yield from self._with_body(outcome)))
        if is_encoded(outcome.headers):
            self._refuse("the body has a content encoding that was not asked for")
        if resumed is None or outcome.status != HTTPStatus.PARTIAL_CONTENT:
            self._start(outcome)
        elif not continues_at(outcome.headers, *resumed):
            return self._not_continued(outcome)
        return (yield from self._read(outcome))

    def _open(self) -> Generator[DownloadEffect, object, Outcome]:
        """Send the request and follow redirects."""
        request = yield from self._first_request()
        for hop in range(MAX_REDIRECTS + 1):
            self._attempt = self._attempt._replace(request=request, after=self._attempt.after if hop == 0 else 0.0)
            sent = self._limits.runtime.monotonic() + self._attempt.after
            outcome = redact_outcome(cast("Outcome", (yield Open(self._attempt))))
            log_attempt(self._attempt, outcome, self._limits.runtime.monotonic() - sent)
            self._outcome = outcome
            if isinstance(outcome, AttemptFailed) or not is_redirect(outcome.status):
                return outcome
            request = self._redirected(outcome)
            length = content_length(outcome.headers)
            if length is not None and length <= _MAX_CHUNK:
                # Its connection can be used again.
                yield from self._with_body(outcome)
        self._refuse(f"there are more than {MAX_REDIRECTS} redirects")

    def _first_request(self) -> Generator[DownloadEffect, object, Request[object]]:
        if not self._plan.preview:
            return self._api_request()
        left = self._limits.until - self._limits.runtime.monotonic() - self._attempt.after
        call = Call(asset_request(self._plan.task_uuid), self._attempt.after, left)
        # Not kept in a variable, which a traceback would show: the server may echo the key.
        url = preview_url(cast("Response[Asset] | TriverseError", (yield call)), secure=self._secure)
        self._attempt = self._attempt._replace(after=0.0)
        return self._storage_request(url)

    def _api_request(self) -> Request[object]:
        return Request("GET", f"/tasks/download/{self._plan.task_uuid}", object, headers=self._headers())

    def _storage_request(self, url: str) -> Request[object]:
        return Request("GET", "/", object, headers=self._headers(), url=url)

    def _headers(self) -> tuple[tuple[str, str], ...]:
        resumed = self._range()
        return _HEADERS if resumed is None else (*_HEADERS, *range_headers(resumed[0], resumed[2]))

    def _redirected(self, reply: Reply) -> Request[object]:
        try:
            target = redirect_target(reply.headers, self._attempt.request.url or reply.url or "", secure=self._secure)
        except RedirectError as error:
            self._refuse(str(error))
        return self._storage_request(target)

    def _with_body(self, reply: Reply) -> Generator[DownloadEffect, object, Reply]:
        """Read the body of an error."""
        chunks: list[bytes] = []
        size = 0
        while size <= MAX_BODY_BYTES:
            chunk = yield _READ
            if not isinstance(chunk, bytes) or not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
        return evolve(reply, body=b"".join(chunks))

    def _start(self, reply: Reply) -> None:
        """Begin with the first byte of a file."""
        if reply.status not in {HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION}:
            self._refuse("this status has no file")
        if self._range() is not None and self._last_error is not None:
            # The server sent the whole file, although the rest was asked for.
            if not self._may_restart:
                raise self._last_error
            self._count_retry(self._last_error)
        self._content_type = (reply.headers.get_first(b"content-type") or "application/octet-stream").strip()
        self._content = FileContent(content_length(reply.headers), self._content_type, must_be_glb=self._must_be_glb)
        self._etag = strong_etag(reply.headers)
        self._sent_name = sent_filename(reply.headers.get_first(b"content-disposition"))
        self._has_begun = self._has_handed_on = False

    def _read(self, reply: Reply) -> Generator[DownloadEffect, object, TriverseError | None]:
        content = cast("FileContent", self._content)
        try:
            while chunk := (yield _READ):
                if isinstance(chunk, AttemptFailed):
                    return self._error(redact_outcome(chunk))
                data = content.take(cast("bytes", chunk))
                if data:
                    yield from self._hand_on(content, data)
            rest = content.end()
        except ContentError as error:
            chunk = data = b""  # no frame may hold what the server sent: it may echo the key
            self._refuse(str(error.with_traceback(None)))
        if rest:
            yield from self._hand_on(content, rest)
        if not content.complete:
            cause = EOFError(f"{content.received:,} of {content.expected:,} bytes came")
            return self._error(AttemptFailed(cause, FailureKind.BROKEN, reply.key, reply.url))
        return None

    def _hand_on(self, content: FileContent, data: bytes) -> DownloadFlow:
        if not self._has_begun:
            self._has_begun = True
            name = safe_filename(self._sent_name, self._fallback_name, content.file_type)
            yield Begin(name, self._content_type, content.total)
        self._has_handed_on = True
        if len(data) <= _MAX_CHUNK or isinstance(self._plan, Download):
            yield Data(data)
        else:
            for offset in range(0, len(data), _MAX_CHUNK):
                yield Data(data[offset : offset + _MAX_CHUNK])
        if isinstance(self._plan, Download) and self._plan.on_progress is not None:
            yield Notify("on_progress", self._plan.on_progress, Progress(content.received, content.expected))

    def _not_continued(self, reply: Reply) -> TriverseError:
        self._etag = None
        cause = EOFError("the server did not continue the file where it broke")
        return self._error(AttemptFailed(cause, FailureKind.BROKEN, reply.key, reply.url))

    def _error(self, outcome: Outcome) -> TriverseError:
        self._outcome = outcome
        return outcome_error(self._attempt, outcome, self._policy, self._limits.runtime)

    def _refuse(self, problem: str) -> NoReturn:
        reply = cast("Reply", self._outcome)
        what = request_text(self._attempt, reply)
        error = InvalidResponseError(
            f"unexpected response to {what} (HTTP {reply.status}): {problem}",
            status_code=reply.status,
            headers=reply.headers,
        )
        error.method, error.url = self._attempt.request.method, what.partition(" ")[2]
        raise error from None
