"""The ten flows: which fields their requests have, and what they cost.

Fields and limits of the four documented flows are those of the service's tables. For the other six the service
publishes no table: the sandbox requires the fields without which they have no input, and accepts all others. All prices
are made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias, cast

from attrs import field, frozen

from triverse.sandbox.errors import InvalidFieldError

__all__ = ["COMMON_FIELDS", "FLOWS", "Field", "Flow"]

Kind: TypeAlias = Literal["string", "integer", "boolean", "array"]

_TYPES: Final[Mapping[Kind, type[object]]] = {"string": str, "integer": int, "boolean": bool, "array": list}
_NAMES: Final[Mapping[Kind, str]] = {
    "string": "a string",
    "integer": "an integer",
    "boolean": "a boolean",
    "array": "an array of strings",
}


@frozen(kw_only=True)
class Field:
    """One field of a request, from the service's tables.

    Attributes:
        kind: JSON type. An array holds strings.
        required: whether it must be there. Optional fields may be null.
        default: documented default; None for none.
        minimum: smallest integer, or least length of a string.
        maximum: largest integer.
        choices: all allowed strings; empty for any.
        pattern: what the whole string must match.
        file: which kind of file a string refers to, by a `file_key` or a URL.
    """

    kind: Kind = "string"
    required: bool = False
    default: object = None
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    file: Literal["image", "model"] | None = None

    def check(self, name: str, value: object) -> object:
        """Return the value, or the default if there is none.

        Raises:
            InvalidFieldError: it is not what the tables describe.
        """
        if value is None and not self.required:
            return self.default
        value = self._checked_type(name, value)
        if isinstance(value, int) and not isinstance(value, bool):
            self._check_range(name, value)
        elif isinstance(value, str):
            self._check_text(name, value)
        return value

    def _checked_type(self, name: str, value: object) -> object:
        if self.kind == "integer" and isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON has one type of number: 1024.0 is an integer
        expected = _TYPES[self.kind]
        if not isinstance(value, expected) or (self.kind == "integer" and isinstance(value, bool)):
            raise InvalidFieldError(name, f"expected {_NAMES[self.kind]}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in cast("list[object]", value)):
            raise InvalidFieldError(name, f"expected {_NAMES[self.kind]}")
        return value  # pyright: ignore[reportUnknownVariableType]  # a list of unknown

    def _check_range(self, name: str, value: int) -> None:
        if (self.minimum is not None and value < self.minimum) or (self.maximum is not None and value > self.maximum):
            raise InvalidFieldError(name, f"expected {self.minimum} to {self.maximum}")

    def _check_text(self, name: str, value: str) -> None:
        if self.minimum is not None and len(value) < self.minimum:
            raise InvalidFieldError(name, f"expected at least {self.minimum} characters")
        if self.choices and value not in self.choices:
            raise InvalidFieldError(name, f"expected one of {', '.join(self.choices)}")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise InvalidFieldError(name, f"expected text that matches {self.pattern}")

    def schema(self) -> dict[str, object]:
        """Return the JSON schema of the field."""
        schema: dict[str, object] = {"type": self.kind if self.required else [self.kind, "null"]}
        if self.kind == "array":
            schema["items"] = {"type": "string"}
        if self.kind == "string" and self.minimum is not None:
            schema["minLength"] = self.minimum
        if self.kind == "integer":
            schema |= {"minimum": self.minimum, "maximum": self.maximum}
        if self.choices:
            schema["enum"] = [*self.choices] if self.required else [*self.choices, None]
        if self.pattern is not None:
            schema["pattern"] = f"^{self.pattern}$"
        if self.default is not None:
            schema["default"] = self.default
        return schema


@frozen(kw_only=True)
class Flow:
    """One kind of task.

    Attributes:
        name: last segment of the path that creates it, and its `flow_name`.
        summary: what it makes.
        price: credits, before what the parameters add.
        fields: what its request has, beside the common fields.
        one_of: groups of fields of which at least one must be there.
        documented: whether the service publishes its table, with the `client_order_id`.
        asset: what a download gives.
    """

    name: str
    summary: str
    price: int
    fields: Mapping[str, Field] = field(factory=dict[str, Field])
    one_of: tuple[tuple[str, ...], ...] = ()
    documented: bool = False
    asset: Literal["model", "image"] = "model"

    def check(self, body: Mapping[str, object]) -> dict[str, object]:
        """Return the checked fields. Unknown ones are left out.

        Raises:
            InvalidFieldError: a field is missing or wrong.
        """
        for group in self.one_of:
            if all(body.get(name) is None for name in group):
                raise InvalidFieldError(f"body.{group[0]}", "missing")
        checked: dict[str, object] = {}
        for name, rule in {**self.fields, **COMMON_FIELDS}.items():
            if rule.required and name not in body:
                raise InvalidFieldError(f"body.{name}", "missing")
            checked[name] = rule.check(f"body.{name}", body.get(name))
        return checked

    def pricing_params(self, params: Mapping[str, object]) -> dict[str, object]:
        """Return the parameters that change the price, with defaults filled in.

        Raises:
            InvalidFieldError: one of them is wrong.
        """
        priced = {name: rule for name, rule in self.fields.items() if name in _SURCHARGES}
        return {name: rule.check(f"body.params.{name}", params.get(name)) for name, rule in priced.items()}

    def cost(self, params: Mapping[str, object], base: float | None = None) -> float:
        """Return the credits for a task with these pricing parameters.

        `texture_size` above 1024 adds 20 credits, above 2048 it adds 60. `turbo` takes 20 off. `image_count` multiplies
        the price.
        """
        price = self.price if base is None else base
        if "image_count" in params:
            return price * cast("int", params["image_count"])
        return max(0, price + sum(_SURCHARGES[name](value) for name, value in params.items()))


def _texture_surcharge(size: object) -> int:
    pixels = cast("int", size)
    return 0 if pixels <= 1024 else 20 if pixels <= 2048 else 60  # noqa: PLR2004 - the price list


_SURCHARGES: Final[Mapping[str, Callable[[object], int]]] = {
    "texture_size": _texture_surcharge,
    "turbo": lambda turbo: -20 if turbo else 0,
    "image_count": lambda _count: 0,
}

COMMON_FIELDS: Final[Mapping[str, Field]] = {
    "client_order_id": Field(pattern="[A-Za-z0-9_-]{1,64}"),
    "allow_duplicate": Field(kind="boolean"),
}
_PROMPT: Final = {"prompt": Field(required=True, minimum=1)}
_IMAGE: Final = {"image_file": Field(required=True, minimum=1, file="image")}
_MODEL: Final = {"model_file": Field(required=True, minimum=1, file="model")}
_GEOMETRY: Final = {
    "polygon_limit": Field(kind="integer", default=1_000_000, minimum=1_000, maximum=1_500_000),
    "texture_size": Field(kind="integer", default=1024, minimum=1024, maximum=4096),
}
_TURBO: Final = {"turbo": Field(kind="boolean", default=False)}
_VERSION: Final = {"model_version": Field(default="v2")}
_RENDERING: Final = {
    "render_mode": Field(default="basic", choices=("basic", "multi_angle", "custom", "preset")),
    "image_count": Field(kind="integer", default=3, minimum=1, maximum=10),
    "resolution": Field(default="2048x2048", pattern="[1-9][0-9]{0,4}x[1-9][0-9]{0,4}"),
    "render_format": Field(default="PNG"),
    "enable_rgb_render": Field(kind="boolean", default=True),
    "enable_white_render": Field(kind="boolean", default=True),
    "camera_angles": Field(kind="array"),
    "preset_name": Field(),
}
_FOREIGN_MODEL: Final = {"model_file": Field(minimum=1, file="model"), "model_url": Field(minimum=1, file="model")}
_ANY_MODEL: Final = ("model_file", "model_url")

_ALL: Final = (
    Flow(
        name="text-to-model",
        summary="Text to a textured model.",
        price=100,
        fields={
            "prompt": Field(required=True, minimum=3),
            "negative_prompt": Field(),
            **_GEOMETRY,
            **_TURBO,
        },
        documented=True,
    ),
    Flow(name="text-to-mesh", summary="Text to geometry.", price=60, fields=_PROMPT),
    Flow(
        name="image-to-model",
        summary="Image to a textured model.",
        price=120,
        fields={**_IMAGE, **_VERSION, **_GEOMETRY, **_TURBO},
        documented=True,
    ),
    Flow(name="image-to-mesh", summary="Image to geometry.", price=80, fields=_IMAGE),
    Flow(
        name="texture-model",
        summary="Image and model to a textured model.",
        price=60,
        fields={**_IMAGE, **_MODEL, **_VERSION, **_GEOMETRY},
        documented=True,
    ),
    Flow(
        name="text-to-texture",
        summary="Text and model to a textured model.",
        price=60,
        fields={"text_prompt": Field(minimum=1), "prompt": Field(minimum=1), **_FOREIGN_MODEL},
        one_of=(("text_prompt", "prompt"), _ANY_MODEL),
    ),
    Flow(
        name="model-preview-render",
        summary="Pictures of a model.",
        price=4,
        fields={**_MODEL, **_RENDERING},
        documented=True,
        asset="image",
    ),
    Flow(
        name="convert-model-format",
        summary="Model to another file format.",
        price=5,
        fields={**_FOREIGN_MODEL, "output_format": Field()},
        one_of=(_ANY_MODEL,),
    ),
    Flow(
        name="model-remesh",
        summary="Model with fewer polygons.",
        price=20,
        fields=_FOREIGN_MODEL,
        one_of=(_ANY_MODEL,),
    ),
    Flow(name="image-generation", summary="Text to an image.", price=10, fields=_PROMPT, asset="image"),
)

FLOWS: Final[Mapping[str, Flow]] = {flow.name: flow for flow in _ALL}
"""All flows, by name."""
