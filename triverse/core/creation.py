"""Never paying twice: what one call that creates a task may have created, and how its error reports it.

- The id of the call is the same on each attempt, so that the service can recognise a repeated one.
- An attempt cannot have created a task if it was not sent, or if it was refused with a 4xx status other than 408.
  Any other outcome may hide a task: a lost response, a 5xx, a redirect, a 2xx with an unreadable body.
- An error of such a call has the id and the answer to "may a task exist?", in its attributes and in its text.
- A Ctrl-C or a cancellation has a note with the id, so that the task can be found later.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final
from uuid import UUID

from triverse.core.api_errors import APIError, BadRequestError
from triverse.core.attempt import Attempt, AttemptFailed, Outcome, Reply
from triverse.core.errors import InvalidResponseError, TriverseError
from triverse.core.request import CLIENT_ORDER_ID, Request
from triverse.core.response_body import BodyError, decompress

__all__ = ["CreationRecord"]

_FIRST_CONFLICT: Final = (
    "Likely causes: an equal request was made shortly before (allow_duplicate=True allows it), the client_order_id was "
    "used before, or a file is not ready yet."
)
_UUID: Final = rb'\s*:\s*"([0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12})"'
# The second had the id in an older version of the service's documentation.
_TASK_UUIDS: Final = (rb'"task_uuid"' + _UUID, rb'"taskId"' + _UUID)


class CreationRecord:
    """What is known about the attempts of one call that creates a task."""

    def __init__(self, request: Request[object]) -> None:
        self._order_id = request.client_order_id
        self.task_may_exist: bool = False

    def explain(self, attempt: Attempt, outcome: Outcome, error: TriverseError) -> None:
        """Add to an attempt's error what is known after it."""
        hints = error._hint, self._hint(attempt, outcome, error)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # only this package sets it
        error._hint = " ".join(filter(None, hints))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # only this package sets it
        self.task_may_exist |= _may_have_created(outcome)
        if isinstance(outcome, Reply) and isinstance(error, InvalidResponseError):
            error.task_uuid = _find_task_uuid(outcome)
        self.mark(error)

    def mark(self, error: TriverseError) -> None:
        """Set the attributes that every error of a creation has."""
        error.client_order_id = self._order_id
        error.task_may_exist = self.task_may_exist

    def note(self, interrupt: BaseException) -> None:
        """Add the id to a Ctrl-C or a cancellation."""
        sent = "sent without a client_order_id" if self._order_id is None else f"client_order_id {self._order_id}"
        interrupt.add_note(f"triverse: a task may have been created ({sent})")

    def _hint(self, attempt: Attempt, outcome: Outcome, error: TriverseError) -> str:
        if isinstance(error, APIError) and self._is_refusal(error):
            if attempt.number == 1:
                return _FIRST_CONFLICT if error.status_code == HTTPStatus.CONFLICT else ""
            self.task_may_exist = True
            return f"An earlier attempt may have created the task: look for {self._id_text()} before trying again."
        if self.task_may_exist or _may_have_created(outcome):
            return f"The task may exist: {self._id_text()}."
        return ""

    def _is_refusal(self, error: APIError) -> bool:
        """Whether the service refused the request because of an earlier one."""
        if error.status_code == HTTPStatus.CONFLICT:
            return True
        names = (CLIENT_ORDER_ID, self._order_id or CLIENT_ORDER_ID)
        text = f"{error.message} {error.suggestion}"
        return isinstance(error, BadRequestError) and any(name in text for name in names)

    def _id_text(self) -> str:
        return "no client_order_id was sent" if self._order_id is None else f"client_order_id {self._order_id}"


def _may_have_created(outcome: Outcome) -> bool:
    if isinstance(outcome, AttemptFailed):
        return not outcome.failure.surely_not_sent
    refused = HTTPStatus.BAD_REQUEST <= outcome.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return not refused or outcome.status == HTTPStatus.REQUEST_TIMEOUT


def _find_task_uuid(reply: Reply) -> UUID | None:
    """Find the id of the task in a body that could not be read as a whole."""
    try:
        body = decompress(reply.body, reply.headers)
    except BodyError:
        return None
    found = next(filter(None, (re.search(pattern, body) for pattern in _TASK_UUIDS)), None)
    return None if found is None else UUID(found[1].decode())
