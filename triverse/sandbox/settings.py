"""Settings of the sandbox for everything that the service's documentation leaves open.

Each default is a guess of ours, not a statement of the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, ForwardRef, Literal, TypeAlias, get_args

from attrs import field, frozen

from triverse.core.errors import ConfigurationError
from triverse.sandbox.flows import FLOWS

if TYPE_CHECKING:
    from triverse.sandbox.tasks import SandboxTask
else:
    # That module imports this one. typing.get_type_hints() finds the class by this reference.
    SandboxTask = ForwardRef("SandboxTask", module="triverse.sandbox.tasks")

__all__ = ["MIB", "KnownId", "Outcome", "Progress", "SandboxSettings"]

MIB: Final = 1024 * 1024

KnownId: TypeAlias = Literal["first_task", "conflict", "bad_request", "ignored"]
Outcome: TypeAlias = Literal["SUCCESS", "FAILED", "CANCELLED"]
Progress: TypeAlias = Literal["even", "zero", "stuck", "backwards", "absent"]

_DOCUMENTED_FLOWS: Final = frozenset(flow.name for flow in FLOWS.values() if flow.documented)


# Which values a setting may have, beside a function where one is allowed.
_CHOICES: Final[Mapping[str, tuple[object, ...]]] = {
    "known_id": get_args(KnownId),
    "failed_creation": ("frees_id", "keeps_id"),
    "duplicate": ("conflict", "first_task"),
    "queue_base": (0, 1),
    "progress": get_args(Progress),
    "outcome": get_args(Outcome),
    "error_shape": ("object", "text", "null"),
    "validation_errors": ("envelope", "fastapi"),
    "creation_status": (200, 201, 202),
    "etag": ("strong", "weak", "missing", "changing"),
}
_FUNCTIONS: Final = frozenset({"progress", "outcome"})
_NUMBERS: Final = (
    *("duplicate_seconds", "read_after_write_seconds", "url_seconds", "redirects"),
    *("uploads_per_minute", "max_image_bytes", "max_model_bytes"),
)
_NUMBERS_OR_NONE: Final = ("workers", "queue_size", "read_after_write_deadline_seconds", "model_bytes")


@frozen(kw_only=True)
class SandboxSettings:
    """What the sandbox does where the documentation of the service is silent.

    Attributes:
        known_id: response to a `client_order_id` that was used before: the first task, 409/2005 or 400/1004; or the id
            is ignored.
        known_id_flows: flows that honour the id. Default: the four whose documentation includes it.
        failed_creation: whether a creation that failed frees its id or keeps it. A kept id without a task is a 409.
        allow_duplicate_passes_id: whether `allow_duplicate` creates a second task under a known id.
        duplicate_seconds: length of the window in which an equal creation is a duplicate.
        duplicate: response to a duplicate: 409/2005 or the first task.
        duplicate_window_covers_ids: whether the window also applies to creations with a `client_order_id`.
        workers: how many tasks of an account run at once. None: all.
        queue_size: how many tasks of an account may wait before a creation is refused (429/2000). None: any number.
        queue_base: the number of the first position in the queue.
        read_after_write_seconds: how long a new task is not visible (404/1006), unless the header below is sent.
        read_after_write_deadline_seconds: sent with a creation. None: not sent.
        read_after_write_header: sent with a creation. None: not sent.
        progress: how `progress` moves: evenly, always 0, up to 99 and no further, back and forth, not sent, or a
            function of the share of the time that is over.
        outcome: how tasks end that no test ends itself, or a function that returns it for each task.
        error_shape: shape of `error` in the status of a failed task: an object, a text, or null.
        validation_errors: shape of errors about fields: the documented envelope (400/1004), or FastAPI's own (422).
        creation_status: HTTP status of a successful creation.
        prices: credits by flow, which replace the default prices.
        moderation: a function that is called with each prompt (UTF-8) and with the first MiB of each image. It returns
            True to refuse it (400/2008). None: everything passes.
        etag: what the ETag of a download is: strong, weak, missing, or another one for each response.
        ranges: whether downloads honour `Range`.
        redirects: how many redirects lead from a download to its bytes.
        url_seconds: how long the URL of an asset is valid.
        model_bytes: size to which models are padded. None: their own small size.
        assets: whether tasks that succeeded have an asset (else 404/4042).
        previews: whether assets have a preview image.
        uploads_per_minute: how many uploads an account may make in 60 seconds.
        max_image_bytes: largest image.
        max_model_bytes: largest model.

    Raises:
        ConfigurationError: a value that a setting does not have.
    """

    known_id: KnownId = "first_task"
    known_id_flows: frozenset[str] = _DOCUMENTED_FLOWS
    failed_creation: Literal["frees_id", "keeps_id"] = "frees_id"
    allow_duplicate_passes_id: bool = False
    duplicate_seconds: float = 5.0
    duplicate: Literal["conflict", "first_task"] = "conflict"
    duplicate_window_covers_ids: bool = False
    workers: int | None = None
    queue_size: int | None = None
    queue_base: int = 1
    read_after_write_seconds: float = 0.0
    read_after_write_deadline_seconds: int | None = None
    read_after_write_header: str | None = None
    progress: Progress | Callable[[float], float | None] = "even"
    outcome: Outcome | Callable[[SandboxTask], Outcome] = "SUCCESS"
    error_shape: Literal["object", "text", "null"] = "object"
    validation_errors: Literal["envelope", "fastapi"] = "envelope"
    creation_status: int = 200
    prices: Mapping[str, float] = field(factory=dict[str, float], hash=False)
    moderation: Callable[[bytes], bool] | None = None
    etag: Literal["strong", "weak", "missing", "changing"] = "strong"
    ranges: bool = True
    redirects: int = 0
    url_seconds: float = 3600.0
    model_bytes: int | None = None
    assets: bool = True
    previews: bool = True
    uploads_per_minute: int = 10
    max_image_bytes: int = 50 * MIB
    max_model_bytes: int = 200 * MIB

    def __attrs_post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value: object = getattr(self, name)
            if value not in allowed and not (name in _FUNCTIONS and callable(value)):
                raise ConfigurationError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
        for name in (*_NUMBERS, *_NUMBERS_OR_NONE):
            _check_number(name, getattr(self, name))
        for name, flows in (("known_id_flows", self.known_id_flows), ("prices", self.prices)):
            unknown = sorted(set(flows) - FLOWS.keys())
            if unknown:
                raise ConfigurationError(f"{name} names flows that do not exist: {', '.join(unknown)}")
        for flow, price in self.prices.items():
            _check_number(f"the price of {flow}", price)


def _check_number(name: str, value: object) -> None:
    if value is None and name in _NUMBERS_OR_NONE:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise ConfigurationError(f"{name} must be a number that is not negative, not {value!r}")
