"""Uploaded files of an account: where their bytes are, and how many may come in a minute."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from threading import Lock
from typing import Final, overload
from uuid import UUID

from attrs import field, frozen

from triverse.sandbox.content import SeekableFile
from triverse.sandbox.environment import Environment
from triverse.sandbox.errors import api_error

__all__ = ["CHUNK", "Upload", "Uploads", "image_type"]

CHUNK: Final = 64 * 1024
_WINDOW_SECONDS: Final = 60.0
_EXTENSION_OF: Final = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "model/gltf-binary": ".glb"}
_LONGEST_EXTENSION: Final = 10


def image_type(start: bytes) -> str | None:
    """Return the media type of an image by its first bytes; None if it is none that the service takes."""
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/webp" if start[:4] == b"RIFF" and start[8:12] == b"WEBP" else None


@frozen(eq=False)
class Upload:
    """One uploaded file.

    Attributes:
        file_key: by which requests refer to it.
        filename: the name that the client sent; None if it sent none.
        content_type: media type, by the bytes of images and by the client's word for models.
        kind: `image` or `model`.
        variant: the `modelVariant` of a model; None for none.
        size: number of bytes.
        sha256: digest of the bytes, as hexadecimal text.
    """

    file_key: str
    filename: str | None
    content_type: str
    kind: str
    variant: str | None
    size: int
    sha256: str
    _file: SeekableFile = field(repr=False, alias="file")
    _start: int = field(repr=False, alias="start")
    _lock: Lock = field(factory=Lock, repr=False)

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from one position to another, piece by piece."""
        position, end = start, self.size if stop is None else stop
        while position < end:
            with self._lock:
                self._file.seek(self._start + position)
                chunk = self._file.read(min(CHUNK, end - position))
            position += len(chunk)
            yield chunk

    def read(self) -> bytes:
        """Return all bytes."""
        return b"".join(self.chunks())


class Uploads(Sequence[Upload]):
    """The uploads of an account, the oldest first, as `account.uploads`."""

    def __init__(self, environment: Environment, user_id: UUID) -> None:
        self._environment = environment
        self._user_id = user_id
        self._all: list[Upload] = []
        self._by_key: dict[str, Upload] = {}
        self._times: deque[float] = deque()
        self._lock = Lock()

    @overload
    def __getitem__(self, index: int) -> Upload: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Upload]: ...
    def __getitem__(self, index: int | slice) -> Upload | Sequence[Upload]:
        return tuple(self._all)[index] if isinstance(index, slice) else self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return repr(self._all)

    def find(self, file_key: str) -> Upload | None:
        """Return the upload with this key; None if the account has none."""
        return self._by_key.get(file_key)

    def add(self, content: bytes, *, filename: str | None = None, variant: str | None = None) -> Upload:
        """Store a file without a request. It is an image if its bytes are those of one, else a model."""
        return self.store(io.BytesIO(content), 0, len(content), filename=filename, variant=variant)

    def store(  # noqa: PLR0913 - one argument for each thing that an upload has
        self,
        file: SeekableFile,
        start: int,
        size: int,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        variant: str | None = None,
    ) -> Upload:
        """Store a part of an open file, which stays open as long as the sandbox."""
        digest = _sha256(file, start, size)
        file.seek(start)
        head = file.read(min(size, 16))
        image = image_type(head)
        media_type = image or ("model/gltf-binary" if head[:4] == b"glTF" else content_type)
        with self._lock:
            upload = Upload(
                file_key=self._new_key(media_type, filename),
                filename=filename,
                content_type=media_type or "application/octet-stream",
                kind="model" if image is None else "image",
                variant=variant,
                size=size,
                sha256=digest,
                file=file,
                start=start,
            )
            self._all.append(upload)
            self._by_key[upload.file_key] = upload
        return upload

    def _new_key(self, media_type: str | None, filename: str | None) -> str:
        extension = _EXTENSION_OF.get(media_type or "") or PurePosixPath(filename or "").suffix.lower()
        if not extension[1:].isalnum() or not extension.isascii() or len(extension) > _LONGEST_EXTENSION:
            extension = ".bin"
        day = self._environment.time_of(self._environment.clock()).strftime("%Y%m%d")
        return f"tasks/uid_{self._user_id}/{day}/{self._environment.new_uuid()}{extension}"

    def count_request(self) -> None:
        """Count an upload that was asked for.

        Raises:
            RateLimitError: code 2000: too many in the last 60 seconds.
        """
        with self._lock:
            now = self._environment.clock()
            while self._times and self._times[0] <= now - _WINDOW_SECONDS:
                self._times.popleft()
            if len(self._times) >= self._environment.settings.uploads_per_minute:
                raise api_error(2000, "Too many uploads in 60 seconds.")
            self._times.append(now)


def _sha256(file: SeekableFile, start: int, size: int) -> str:
    digest = hashlib.sha256()
    file.seek(start)
    while size:
        chunk = file.read(min(CHUNK, size))
        size -= len(chunk)
        digest.update(chunk)
    return digest.hexdigest()
