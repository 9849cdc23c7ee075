"""Show the values of defaults that are expressions in the code."""

from __future__ import annotations

import importlib
import inspect

import griffe


class RealDefaults(griffe.Extension):
    """Replace an expression such as `Policy().deadline` by its value."""

    def on_function(self, *, func: griffe.Function, **_kwargs: object) -> None:
        """Read the values from the signature of the imported class."""
        looked_up = [
            p
            for p in func.parameters
            if isinstance(p.default, griffe.Expr) and p.name != "self"
        ]
        if not looked_up or not (
            isinstance(func.parent, griffe.Class) and func.name == "__init__"
        ):
            return
        real = getattr(importlib.import_module(func.module.path), func.parent.name)
        for parameter in looked_up:
            parameter.default = repr(
                inspect.signature(real).parameters[parameter.name].default
            )
