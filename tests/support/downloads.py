"""A download that goes on until its process is killed. It has its own module, so that a new process can import it."""

from __future__ import annotations

from multiprocessing.connection import Connection

from triverse import Triverse

__all__ = ["keep_downloading"]


def keep_downloading(pipe: Connection, url: str, target: str, key: str, task: str) -> None:
    with Triverse(key, base_url=url) as client:
        client.tasks.download(task, target, overwrite=True)
        pipe.send("ready")
        while True:
            client.tasks.download(task, target, overwrite=True)
