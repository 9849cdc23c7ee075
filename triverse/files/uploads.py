"""Files to upload: opened, checked, and made into the body of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from attrs import evolve, frozen

from triverse.core.errors import ConfigurationError
from triverse.core.file_types import IMAGE_TYPES, ZIP, content_type_by_name, describe, detect, suffix_of
from triverse.core.multipart import MultipartBody
from triverse.core.progress import Progress
from triverse.core.request import FileUpload, Request
from triverse.files.source import Source
from triverse.files.sources import open_source

__all__ = ["OpenedUpload", "open_upload", "open_uploads"]

T = TypeVar("T")

_MIB: Final = 1024**2
_LIMITS: Final = {"image": 50 * _MIB, "model": 200 * _MIB}


class _Names(NamedTuple):
    filename: str
    content_type: str


@frozen
class OpenedUpload(Generic[T]):
    """An upload whose source is open and has passed all checks."""

    _request: Request[T]
    _source: Source
    _names: _Names

    def request(
        self, boundary: str, on_progress: Callable[[Progress], Awaitable[object] | None] | None = None
    ) -> tuple[Request[T], MultipartBody]:
        """Return the request to send, and its body."""
        body = MultipartBody(
            self._source,
            filename=self._names.filename,
            content_type=self._names.content_type,
            boundary=boundary,
            on_progress=on_progress,
        )
        return evolve(self._request, file=None, body=body), body

    def close(self) -> None:
        """Close the source, if it was opened here."""
        self._source.close()


def open_uploads(requests: Sequence[Request[T]], opened: list[OpenedUpload[T]]) -> None:
    """Open the files of all these requests and check them.

    Args:
        requests: what to upload.
        opened: receives what was opened, for the caller to close: the result of a thread is lost if the task that
            waits for it is cancelled.

    Raises:
        ConfigurationError: a file cannot be uploaded.
        OSError: a file is missing or cannot be read.
    """
    for request in requests:
        opened.append(open_upload(request))  # noqa: PERF401 - one by one, since the next may fail


def open_upload(request: Request[T]) -> OpenedUpload[T]:
    """Open the file of one request and check it.

    Raises:
        ConfigurationError: it cannot be uploaded.
        OSError: it is missing or cannot be read.
    """
    upload = request.file
    if upload is None:
        raise ConfigurationError("the request has no file to upload. Build it with triverse.api.uploads")
    source = open_source(upload.source, upload.argument, _LIMITS[upload.kind])
    try:
        return OpenedUpload(request, source, _names(upload, source))
    except BaseException:
        source.close()
        raise


def _names(upload: FileUpload, source: Source) -> _Names:
    head = source.head()
    found = detect(head)
    name = upload.filename or source.name
    if upload.kind == "image":
        if found not in IMAGE_TYPES:
            raise ConfigurationError(
                f"{upload.argument} must be a JPEG, PNG or WebP image, and is {describe(head)}. Convert it first"
            )
        return _Names(name or f"image{found.suffixes[0]}", found.content_type)
    by_name = content_type_by_name(name or "")
    # Some model formats are ZIP archives, which differ only in the name.
    if found is None or (found is ZIP and suffix_of(name or "") in ZIP.suffixes):
        return _Names(name or "model", by_name)
    return _Names(name or f"model{found.suffixes[0]}", found.content_type)
