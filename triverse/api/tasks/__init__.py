"""Requests about tasks, and their results."""

from __future__ import annotations

from triverse.api.tasks.builders import (
    asset,
    create,
    get,
    image_to_mesh,
    image_to_model,
    model_preview_render,
    quote,
    text_to_mesh,
    text_to_model,
    texture_model,
)

__all__ = [
    "asset",
    "create",
    "get",
    "image_to_mesh",
    "image_to_model",
    "model_preview_render",
    "quote",
    "text_to_mesh",
    "text_to_model",
    "texture_model",
]
