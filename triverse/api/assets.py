"""Where the result of a task can be downloaded."""

from __future__ import annotations

from uuid import UUID

from attrs import field, frozen

from triverse.core.request import Request
from triverse.core.result import Result

__all__ = ["Asset", "asset_request"]


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
