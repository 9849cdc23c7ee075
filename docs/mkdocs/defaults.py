"""Shows default values as they are, where the code takes them from elsewhere."""

from __future__ import annotations

import importlib
import inspect

import griffe


class RealDefaults(griffe.Extension):
    """Puts the value in the place of an expression such as `Policy().deadline`."""

    def on_function(self, *, func: griffe.Function, **_kwargs: object) -> None:
        """Ask the imported function for the values behind its default expressions."""
        looked_up = [p for p in func.parameters if isinstance(p.default, griffe.Expr) and p.name != "self"]
        if not looked_up or not (isinstance(func.parent, griffe.Class) and func.name == "__init__"):
            return
        real = getattr(importlib.import_module(func.module.path), func.parent.name)
        for parameter in looked_up:
            parameter.default = repr(inspect.signature(real).parameters[parameter.name].default)
