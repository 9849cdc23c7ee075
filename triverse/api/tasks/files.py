"""Input files of tasks: which of them are to be uploaded first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from triverse.api.tasks.task import Task
from triverse.api.transfers import UploadSource
from triverse.api.uploads import UploadedFile, image_upload, model_upload
from triverse.core.request import Request

__all__ = ["FileInput", "plan_uploads"]

FileInput: TypeAlias = str | UploadedFile | UploadSource

_NOT_UPLOADED_YET: Final = UploadedFile("not/uploaded-yet")
_UPLOAD_OF: Final = {"image": image_upload, "model": model_upload}


def plan_uploads(
    build: Callable[..., Request[Task]], files: Mapping[str, FileInput]
) -> tuple[dict[str, Request[UploadedFile]], Request[Task]]:
    """Return the uploads by argument, and the request that creates the task. If there are uploads, it is not complete.

    It is built before the uploads all the same, so that a wrong argument is found before anything is sent.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    uploads = {
        name: _UPLOAD_OF[name](source, name)
        for name, source in files.items()
        if not isinstance(source, (str, UploadedFile))
    }
    return uploads, build(**{**files, **dict.fromkeys(uploads, _NOT_UPLOADED_YET)})
