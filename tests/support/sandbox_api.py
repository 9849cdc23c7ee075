"""The sandbox as seen by a plain HTTP client, and a clock that tests move."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx

from triverse.sandbox import Account, Sandbox, SandboxSettings, SandboxTask
from triverse.sandbox.mock_transport import Transport

__all__ = ["GLB", "PNG", "Api", "Clock"]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
GLB = b"glTF" + (2).to_bytes(4, "little") + (12).to_bytes(4, "little")


class Clock:
    """A clock that moves only when the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Api:
    """A sandbox with one account, and an HTTP client with its key.

    Attributes:
        http: the client. It reaches the sandbox without a socket.
        anonymous: an HTTP client without a key.
    """

    def __init__(
        self, settings: SandboxSettings | None = None, *, task_seconds: float | None = 100.0, api_credits: float = 1000
    ) -> None:
        self.clock = Clock()
        self.sandbox = Sandbox(clock=self.clock, task_seconds=task_seconds, settings=settings)
        self.account: Account = self.sandbox.add_account(api_credits=api_credits)
        self.http = httpx.Client(
            transport=Transport(self.sandbox),
            base_url="http://127.0.0.1/api/v1",
            headers={"Authorization": f"Bearer {self.account.key}"},
        )
        self.anonymous = httpx.Client(transport=Transport(self.sandbox))

    def settings(self, **values: Any) -> None:
        """Change some settings and leave the others at their defaults."""
        self.sandbox.settings = SandboxSettings(**values)

    def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """Send JSON; return the status, and the data or the error."""
        return _content(self.http.post(path, json=body))

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """Return the status, and the data or the error."""
        return _content(self.http.get(path, headers=headers))

    def create(self, prompt: str = "a red chair", flow: str = "text-to-model", **fields: object) -> SandboxTask:
        """Create a task, which must succeed."""
        status, data = self.post(f"/tasks/{flow}", {"prompt": prompt, **fields})
        assert status == 200, data
        task = self.account.tasks.find(UUID(data["task_uuid"]))
        assert task is not None
        return task

    def status(self, task: SandboxTask) -> dict[str, Any]:
        """Return the status payload of a task."""
        status, data = self.get(f"/tasks/{task.uuid}")
        assert status == 200, data
        return data

    def upload(
        self, content: bytes = PNG, *, kind: str = "image", filename: str = "a.png"
    ) -> tuple[int, dict[str, Any]]:
        """Upload a file; return the status, and the data or the error."""
        return _content(self.http.post(f"/upload/{kind}", files={"file": (filename, content)}))


def _content(response: httpx.Response) -> tuple[int, dict[str, Any]]:
    body: dict[str, Any] = response.json()
    return response.status_code, body["data"] if response.is_success else body
