"""Uploads: files that later requests use by their `file_key`."""

from __future__ import annotations

from attrs import frozen

from triverse.core.result import Result

__all__ = ["UploadedFile"]


@frozen
class UploadedFile(Result):
    """A file that was uploaded.

    Attributes:
        file_key: the service's name of the file, for later requests.
    """

    file_key: str
