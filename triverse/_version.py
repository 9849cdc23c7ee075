"""The version, in the one place that has it."""

from __future__ import annotations

__version__ = "0.1.0"
"""The version of this package."""
