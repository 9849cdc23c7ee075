"""Settings of the sandbox for everything that the service's documentation leaves open.

Each default is a guess of ours, not a statement of the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from attrs import Attribute, field, frozen

from triverse.core.errors import ConfigurationError
from triverse.sandbox.flows import FLOWS

if TYPE_CHECKING:
    from triverse.sandbox.tasks import SandboxTask

__all__ = ["MIB", "KnownId", "Outcome", "Progress", "SandboxSettings"]

MIB: Final = 1024 * 1024

KnownId: TypeAlias = Literal["first_task", "conflict", "bad_request", "ignored"]
Outcome: TypeAlias = Literal["SUCCESS", "FAILED", "CANCELLED"]
Progress: TypeAlias = Literal["even", "zero", "stuck", "backwards", "absent"]

_DOCUMENTED_FLOWS: Final = frozenset(flow.name for flow in FLOWS.values() if flow.documented)


def _one_of(*allowed: object) -> Callable[[object, Attribute[object], object], None]:
    def check(_settings: object, attribute: Attribute[object], value: object) -> None:
        if value not in allowed:
            message = f"{attribute.name} must be one of {', '.join(map(repr, allowed))}, not {value!r}"
            raise ConfigurationError(message)

    return check


def _one_of_or_function(*allowed: object) -> Callable[[object, Attribute[object], object], None]:
    check = _one_of(*allowed)

    def check_unless_callable(settings: object, attribute: Attribute[object], value: object) -> None:
        if not callable(value):
            check(settings, attribute, value)

    return check_unless_callable


def _number(settings: object, attribute: Attribute[object], value: object) -> None:
    del settings
    if value is None and attribute.default is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        message = f"{attribute.name} must be a number that is not negative, not {value!r}"
        raise ConfigurationError(message)


def _flows(_settings: object, attribute: Attribute[object], value: Iterable[str]) -> None:
    unknown = sorted(set(value) - FLOWS.keys())
    if unknown:
        message = f"{attribute.name} names flows that do not exist: {', '.join(unknown)}"
        raise ConfigurationError(message)


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
        duplicate_window_covers_ids: whether the window also applies to creations that have an id of their own.
        workers: how many tasks of an account run at once. None: all.
        queue_size: how many tasks of an account may wait before a creation is refused (429/2000). None: any number.
        queue_base: the number of the first position in the queue.
        read_after_write_seconds: how long a new task is not visible (404/1006), unless the header below is sent.
        read_after_write_deadline_seconds: sent with a creation. None: not sent.
        read_after_write_header: sent with a creation. None: not sent.
        progress: how `progress` moves: evenly, always 0, up to 99 and no further, back and forth, not sent, or a
            function of the share of the time that is over.
        outcome: how tasks end that are not ended by hand, or a function that says so for each task.
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
    """

    known_id: KnownId = field(default="first_task", validator=_one_of(*get_args(KnownId)))
    known_id_flows: frozenset[str] = field(default=_DOCUMENTED_FLOWS, converter=frozenset, validator=_flows)
    failed_creation: Literal["frees_id", "keeps_id"] = field(
        default="frees_id", validator=_one_of("frees_id", "keeps_id")
    )
    allow_duplicate_passes_id: bool = False
    duplicate_seconds: float = field(default=5.0, validator=_number)
    duplicate: Literal["conflict", "first_task"] = field(
        default="conflict", validator=_one_of("conflict", "first_task")
    )
    duplicate_window_covers_ids: bool = False
    workers: int | None = field(default=None, validator=_number)
    queue_size: int | None = field(default=None, validator=_number)
    queue_base: int = field(default=1, validator=_one_of(0, 1))
    read_after_write_seconds: float = field(default=0.0, validator=_number)
    read_after_write_deadline_seconds: int | None = field(default=None, validator=_number)
    read_after_write_header: str | None = None
    progress: Progress | Callable[[float], float | None] = field(
        default="even", validator=_one_of_or_function(*get_args(Progress))
    )
    outcome: Outcome | Callable[[SandboxTask], Outcome] = field(
        default="SUCCESS", validator=_one_of_or_function(*get_args(Outcome))
    )
    error_shape: Literal["object", "text", "null"] = field(
        default="object", validator=_one_of("object", "text", "null")
    )
    validation_errors: Literal["envelope", "fastapi"] = field(
        default="envelope", validator=_one_of("envelope", "fastapi")
    )
    creation_status: int = field(default=200, validator=_one_of(200, 201, 202))
    prices: Mapping[str, float] = field(factory=dict[str, float], hash=False, validator=_flows)
    moderation: Callable[[bytes], bool] | None = None
    etag: Literal["strong", "weak", "missing", "changing"] = field(
        default="strong", validator=_one_of("strong", "weak", "missing", "changing")
    )
    ranges: bool = True
    redirects: int = field(default=0, validator=_number)
    url_seconds: float = field(default=3600.0, validator=_number)
    model_bytes: int | None = field(default=None, validator=_number)
    assets: bool = True
    previews: bool = True
    uploads_per_minute: int = field(default=10, validator=_number)
    max_image_bytes: int = field(default=50 * MIB, validator=_number)
    max_model_bytes: int = field(default=200 * MIB, validator=_number)
