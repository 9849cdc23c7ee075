"""Uploads: files that later requests use by their `file_key`. The rules that they keep are in `upload_flow`."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import frozen

from triverse.api.transfers import AsyncFileSender, AsyncOnProgress, FileSender, OnProgress, UploadSource
from triverse.core.errors import ConfigurationError
from triverse.core.request import FileUpload, Request
from triverse.core.result import Result
from triverse.core.text import safe_repr

__all__ = [
    "AsyncUploads",
    "UploadedFile",
    "Uploads",
    "image",
    "model",
]

Variant: TypeAlias = Literal["geometry", "textured"]


@frozen
class UploadedFile(Result):
    """A file that was uploaded.

    Attributes:
        file_key: the service's name of the file, for later requests.
    """

    file_key: str


def image(source: UploadSource, *, filename: str | None = None) -> Request[UploadedFile]:
    """Describe `POST /upload/image`. The source is opened when the request is run."""
    return image_upload(source, filename=filename)


def model(
    source: UploadSource, *, variant: Variant | None = None, filename: str | None = None
) -> Request[UploadedFile]:
    """Describe `POST /upload/model`. The source is opened when the request is run."""
    return model_upload(source, variant=variant, filename=filename)


def image_upload(source: object, argument: str = "source", *, filename: str | None = None) -> Request[UploadedFile]:
    """Describe the upload of an image; errors name the source by this argument."""
    upload = FileUpload("image", source, _checked_filename(filename), argument)
    return Request("POST", "/upload/image", UploadedFile, file=upload, safe=True, deadline=None)


def model_upload(
    source: object, argument: str = "source", *, variant: Variant | None = None, filename: str | None = None
) -> Request[UploadedFile]:
    """Describe the upload of a model; errors name the source by this argument."""
    if variant not in (None, "geometry", "textured"):
        raise ConfigurationError(f"variant must be 'geometry' or 'textured', not {safe_repr(variant)}")
    upload = FileUpload("model", source, _checked_filename(filename), argument)
    params = None if variant is None else {"modelVariant": variant}
    return Request("POST", "/upload/model", UploadedFile, params, file=upload, safe=True, deadline=None)


def _checked_filename(filename: str | None) -> str | None:
    if filename is None or (isinstance(filename, str) and filename):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all type checked
        return filename
    raise ConfigurationError(f"filename must be a str that is not empty, not {safe_repr(filename)}")


class Uploads:
    """Uploads, as `client.uploads`."""

    __slots__ = ("_client",)

    def __init__(self, client: FileSender) -> None:
        self._client = client

    def image(
        self,
        source: UploadSource,
        *,
        filename: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> UploadedFile:
        """Upload a JPEG, PNG or WebP image of at most 50 MiB: `POST /upload/image`.

        Args:
            source: a path, bytes or another buffer, or a binary file, which is read from its current position.
            filename: the name to send. Default: the name of the file.
            timeout: seconds for the whole upload, retries and waiting for a turn included. None: no limit.
            on_progress: is called with a `Progress` as bytes are sent. With `AsyncTriverse` it may be async.

        Raises:
            ConfigurationError: the source cannot be uploaded, or it changed during the upload.
            OSError: the file is missing or cannot be read.
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return self._client.upload_all([image(source, filename=filename)], timeout, on_progress)[0]

    def model(
        self,
        source: UploadSource,
        *,
        variant: Variant | None = None,
        filename: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> UploadedFile:
        """Upload a model of at most 200 MiB: `POST /upload/model`.

        Args:
            source: a path, bytes or another buffer, or a binary file, which is read from its current position.
            variant: what the model consists of.
            filename: the name to send. Default: the name of the file.
            timeout: seconds for the whole upload, retries and waiting for a turn included. None: no limit.
            on_progress: is called with a `Progress` as bytes are sent. With `AsyncTriverse` it may be async.

        Raises:
            ConfigurationError: the source cannot be uploaded, or it changed during the upload.
            OSError: the file is missing or cannot be read.
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        request = model(source, variant=variant, filename=filename)
        return self._client.upload_all([request], timeout, on_progress)[0]


class AsyncUploads:
    """Uploads, as `client.uploads`."""

    __slots__ = ("_client",)

    def __init__(self, client: AsyncFileSender) -> None:
        self._client = client

    async def image(
        self,
        source: UploadSource,
        *,
        filename: str | None = None,
        timeout: float | None = None,
        on_progress: AsyncOnProgress | None = None,
    ) -> UploadedFile:
        """Upload a JPEG, PNG or WebP image of at most 50 MiB: `POST /upload/image`.

        Args:
            source: a path, bytes or another buffer, or a binary file, which is read from its current position.
            filename: the name to send. Default: the name of the file.
            timeout: seconds for the whole upload, retries and waiting for a turn included. None: no limit.
            on_progress: is called with a `Progress` as bytes are sent. With `AsyncTriverse` it may be async.

        Raises:
            ConfigurationError: the source cannot be uploaded, or it changed during the upload.
            OSError: the file is missing or cannot be read.
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        return (await self._client.upload_all([image(source, filename=filename)], timeout, on_progress))[0]

    async def model(
        self,
        source: UploadSource,
        *,
        variant: Variant | None = None,
        filename: str | None = None,
        timeout: float | None = None,
        on_progress: AsyncOnProgress | None = None,
    ) -> UploadedFile:
        """Upload a model of at most 200 MiB: `POST /upload/model`.

        Args:
            source: a path, bytes or another buffer, or a binary file, which is read from its current position.
            variant: what the model consists of.
            filename: the name to send. Default: the name of the file.
            timeout: seconds for the whole upload, retries and waiting for a turn included. None: no limit.
            on_progress: is called with a `Progress` as bytes are sent. With `AsyncTriverse` it may be async.

        Raises:
            ConfigurationError: the source cannot be uploaded, or it changed during the upload.
            OSError: the file is missing or cannot be read.
            TriverseError: see `triverse.core.errors` for the whole tree.
        """
        request = model(source, variant=variant, filename=filename)
        return (await self._client.upload_all([request], timeout, on_progress))[0]
