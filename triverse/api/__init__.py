"""Descriptions of requests, by resource group: plain values that `client.execute()` runs."""

from __future__ import annotations

from triverse.api import tasks, uploads, users

__all__ = ["tasks", "uploads", "users"]
