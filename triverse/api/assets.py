"""Where the result of a task can be downloaded."""

from __future__ import annotations

from uuid import UUID

from attrs import field, frozen

from triverse.core.api_errors import NotFoundError
from triverse.core.errors import InvalidResponseError, TriverseError
from triverse.core.redirects import RedirectError, check_storage_url
from triverse.core.request import Request
from triverse.core.response import Response
from triverse.core.result import Result

__all__ = ["Asset", "asset_request", "preview_url"]


def _without_query(url: str | None) -> str:
    """Return the repr of a URL without its query, which may be a signature that gives access."""
    address, query, _ = (url or "").partition("?")
    return repr(url if not query else f"{address}?…")


@frozen
class Asset(Result):
    """Where the result of a task can be downloaded, from `GET /tasks/url/{task_uuid}`. The URLs may expire.

    Attributes:
        download_url: URL of the result.
        preview_url: URL of a preview image.
        asset_id: unique id of the result.
        kind: what it is, such as `model` or `image`.
    """

    download_url: str = field(repr=_without_query)
    preview_url: str | None = field(default=None, repr=_without_query)
    asset_id: UUID | None = None
    kind: str | None = None


def asset_request(task_uuid: UUID) -> Request[Asset]:
    """Describe `GET /tasks/url/{task_uuid}`."""
    return Request("GET", f"/tasks/url/{task_uuid}", Asset)


def preview_url(result: Response[Asset] | TriverseError, *, secure: bool) -> str:
    """Return the URL of the preview image.

    Args:
        result: of the request for the asset.
        secure: whether it must be https.

    Raises:
        TriverseError: the request failed, there is no preview image, or its URL may not be requested.
    """
    if isinstance(result, TriverseError):
        raise result
    url, status, headers = result.data.preview_url, result.status_code, result.headers
    if url is None:
        raise NotFoundError("the task has no preview image", status_code=status, headers=headers)
    try:
        check_storage_url(url, secure=secure)
    except RedirectError as error:
        message = f"unusable preview_url: {error.with_traceback(None)}"
        del url, result  # no frame may hold what the server sent: it may echo the key
        raise InvalidResponseError(message, status_code=status, headers=headers) from None
    return url
