from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from support.pickles import repickled

from triverse import ConfigurationError, Request, Task, UploadedFile, api
from triverse.core.request import JSON

tasks = api.tasks

UUID_TEXT = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
KEY = "tasks/uid_11111111-2222-4333-8444-555555555555/20260601/3c9e.webp"
URL = "https://files.example/helmet.glb?sig=abc"

Build = Callable[..., Request[Task]]


def build_anything(flow: str) -> Build:
    """Return the builder of a flow, with its required arguments."""
    builders: dict[str, Build] = {
        "text-to-model": partial(tasks.text_to_model, "a brass helmet"),
        "text-to-mesh": partial(tasks.text_to_mesh, "a brass helmet"),
        "image-to-model": partial(tasks.image_to_model, KEY),
        "image-to-mesh": partial(tasks.image_to_mesh, KEY),
        "texture-model": partial(tasks.texture_model, image=KEY, model=URL),
        "model-preview-render": partial(tasks.model_preview_render, URL),
    }
    return builders[flow]


FLOWS = ["text-to-model", "text-to-mesh", "image-to-model", "image-to-mesh", "texture-model", "model-preview-render"]
DOCUMENTED = {"text-to-model", "image-to-model", "texture-model", "model-preview-render"}


def refused(build: Callable[[], object], argument: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        build()
    text = str(caught.value)
    assert text.startswith(argument), text
    return text


@pytest.mark.parametrize(
    ("request_", "flow", "body"),
    [
        (tasks.text_to_model("a helmet"), "text-to-model", {"prompt": "a helmet"}),
        (
            tasks.text_to_model(
                "a helmet", negative_prompt="blurry", polygon_limit=1000, texture_size=4096, turbo=False
            ),
            "text-to-model",
            {
                "prompt": "a helmet",
                "negative_prompt": "blurry",
                "polygon_limit": 1000,
                "texture_size": 4096,
                "turbo": False,
            },
        ),
        (tasks.text_to_mesh("a helmet"), "text-to-mesh", {"prompt": "a helmet"}),
        (
            tasks.image_to_model(KEY, model_version="v9", polygon_limit=1_500_000, texture_size=1024, turbo=True),
            "image-to-model",
            {
                "image_file": KEY,
                "model_version": "v9",
                "polygon_limit": 1_500_000,
                "texture_size": 1024,
                "turbo": True,
            },
        ),
        (tasks.image_to_mesh(UploadedFile(KEY)), "image-to-mesh", {"image_file": KEY}),
        (
            tasks.texture_model(image=KEY, model=URL, model_version="v2", polygon_limit=2000, texture_size=2048),
            "texture-model",
            {"image_file": KEY, "model_file": URL, "model_version": "v2", "polygon_limit": 2000, "texture_size": 2048},
        ),
        (
            tasks.model_preview_render(
                URL,
                render_mode="multi_angle",
                image_count=2,
                resolution="1024x768",
                render_format="WEBP",
                enable_rgb_render=True,
                enable_white_render=False,
                camera_angles=("front", "left"),
                preset_name="studio-soft",
            ),
            "model-preview-render",
            {
                "model_file": URL,
                "render_mode": "multi_angle",
                "image_count": 2,
                "resolution": "1024x768",
                "render_format": "WEBP",
                "enable_rgb_render": True,
                "enable_white_render": False,
                "camera_angles": ["front", "left"],
                "preset_name": "studio-soft",
            },
        ),
        (tasks.create("model-remesh", {"polygons": (1, 2)}), "model-remesh", {"polygons": [1, 2]}),
    ],
)
def test_a_creation_sends_what_was_passed_and_nothing_else(
    request_: Request[Task], flow: str, body: Mapping[str, object]
) -> None:
    assert (request_.method, request_.path, request_.json) == ("POST", f"/tasks/{flow}", body)
    assert repickled(request_) == request_


@pytest.mark.parametrize("flow", FLOWS)
def test_every_typed_creation_takes_an_id_and_extra_fields(flow: str) -> None:
    request = build_anything(flow)(client_order_id="order-1", allow_duplicate=False, extra={"seed": 7, "style": None})
    sent = cast("Mapping[str, object]", request.json)
    assert sent.items() >= {"client_order_id": "order-1", "allow_duplicate": False, "seed": 7, "style": None}.items()
    assert request.creation is not None
    assert request.creation.client_order_id == "order-1"


@pytest.mark.parametrize("flow", [*FLOWS, "model-remesh"])
def test_only_a_creation_with_a_documented_id_and_no_duplicates_is_repeated(flow: str) -> None:
    def is_idempotent(**options: object) -> bool:
        return build(**options).idempotent

    build: Build = build_anything(flow) if flow in FLOWS else partial(tasks.create, flow, {})
    assert is_idempotent() is (flow in DOCUMENTED)
    assert is_idempotent(client_order_id="mine", allow_duplicate=False) is (flow in DOCUMENTED)
    assert not is_idempotent(allow_duplicate=True)
    assert not is_idempotent(client_order_id=False)


def test_a_request_holds_no_id_unless_one_was_passed() -> None:
    assert tasks.text_to_model("a helmet").client_order_id is None
    assert tasks.text_to_model("a helmet", client_order_id=False).client_order_id is None
    assert tasks.text_to_model("a helmet", client_order_id="mine").client_order_id == "mine"
    assert tasks.create("x", {"client_order_id": None}).json == {}


def test_fields_of_the_id_count_wherever_they_were_passed() -> None:
    for request in (
        tasks.create("text-to-model", {"client_order_id": "mine", "allow_duplicate": True}),
        tasks.text_to_model("a helmet", extra={"client_order_id": "mine", "allow_duplicate": True}),
    ):
        assert request.creation is not None
        assert (request.creation.client_order_id, request.creation.repeatable) == ("mine", False)


@pytest.mark.parametrize("order_id", ["a b", "", "x" * 65, "ö", "a\n", 5, True, b"x"])
def test_a_wrong_client_order_id_is_refused(order_id: Any) -> None:
    refused(lambda: tasks.text_to_model("a helmet", client_order_id=order_id), "client_order_id")
    refused(lambda: tasks.create("text-to-model", {}, client_order_id=order_id), "client_order_id")


@pytest.mark.parametrize("order_id", ["", 5, ["x"]])
def test_a_wrong_id_among_the_parameters_is_refused(order_id: JSON) -> None:
    refused(lambda: tasks.create("text-to-model", {"client_order_id": order_id}), "client_order_id")


def test_the_same_field_twice_is_refused() -> None:
    twice: list[tuple[str, Callable[[], object]]] = [
        ("extra", lambda: tasks.text_to_model("a helmet", extra={"prompt": "another"})),
        ("extra", lambda: tasks.text_to_model("a helmet", turbo=True, extra={"turbo": True})),
        ("extra", lambda: tasks.image_to_model(KEY, extra={"image_file": KEY})),
        ("client_order_id", lambda: tasks.text_to_model("abc", client_order_id="x", extra={"client_order_id": "y"})),
        ("client_order_id", lambda: tasks.create("x", {"client_order_id": "y"}, client_order_id=False)),
        ("allow_duplicate", lambda: tasks.create("x", {"allow_duplicate": True}, allow_duplicate=True)),
    ]
    for argument, build in twice:
        refused(build, argument)


def test_extra_may_contain_a_documented_field_outside_its_documented_range() -> None:
    request = tasks.text_to_model("a helmet", extra={"texture_size": 8192, "polygon_limit": 1.5})
    assert request.json == {"prompt": "a helmet", "texture_size": 8192, "polygon_limit": 1.5}


WRONG: list[tuple[str, str, list[object]]] = [
    ("text-to-model", "negative_prompt", [5, b"x", "half a pair: \ud800"]),
    ("text-to-model", "polygon_limit", [999, 1_500_001, 2000.0, True, "2000"]),
    ("text-to-model", "texture_size", [1023, 4097, 2048.0]),
    ("text-to-model", "turbo", [1, "yes"]),
    ("text-to-model", "allow_duplicate", [1, "no"]),
    ("text-to-model", "extra", [[], "x", {1: 2}, {"a": float("nan")}, {"a": object()}]),
    ("image-to-model", "model_version", [2]),
    ("image-to-model", "polygon_limit", [0]),
    ("image-to-model", "texture_size", [0]),
    ("texture-model", "polygon_limit", [-1]),
    ("texture-model", "texture_size", [5000]),
    ("model-preview-render", "render_mode", ["fancy", 1, "BASIC", ["basic"]]),
    ("model-preview-render", "image_count", [0, 11, 3.0]),
    ("model-preview-render", "resolution", ["1024", "1024x", "0x10", "1024X768", "1024x768\n", 1024, "\u0661x\u0661"]),
    ("model-preview-render", "render_format", [5]),
    ("model-preview-render", "enable_rgb_render", [0]),
    ("model-preview-render", "enable_white_render", ["x"]),
    ("model-preview-render", "camera_angles", ["front", [5], 3, {"front": 1}, ["\udfff"]]),
    ("model-preview-render", "preset_name", [1]),
]


@pytest.mark.parametrize(("flow", "argument", "values"), WRONG)
def test_a_wrong_argument_is_named(flow: str, argument: str, values: list[object]) -> None:
    for value in values:
        refused(lambda value=value: build_anything(flow)(**{argument: value}), argument)  # type: ignore[misc]  # mypy does not infer such a lambda


@pytest.mark.parametrize("prompt", ["", "ab", 5, None, b"abc"])
def test_a_prompt_of_text_to_model_has_at_least_three_characters(prompt: Any) -> None:
    refused(lambda: tasks.text_to_model(prompt), "prompt")


def test_a_prompt_of_text_to_mesh_has_no_documented_minimum() -> None:
    assert tasks.text_to_mesh("ab").json == {"prompt": "ab"}
    refused(lambda: tasks.text_to_mesh(cast("str", 5)), "prompt")


@pytest.mark.parametrize("value", [KEY, URL, "http://127.0.0.1:8000/a.png", "HTTPS://files.example/ä.png", "a/b"])
def test_a_text_is_a_url_or_a_file_key(value: str) -> None:
    assert tasks.image_to_model(value).json == {"image_file": value}


@pytest.mark.parametrize(
    "value",
    [
        "helmet.png",
        "",
        " ",
        "/etc/passwd",
        "./helmet.png",
        "../helmet.png",
        "~/helmet.png",
        "~root/x",
        "C:/helmet.png",
        "C:\\helmet.png",
        "d:x/y",
        "..\\a/b",
        "\\\\host\\share/a",
        "a\\b/c",
        "ftp://files.example/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AA/BB",
        "javascript:a/b",
        "https://",
        "https:///a.png",
        "https://[/a.png",
        "https://files.example/a b.png",
        "a/b\n",
        " a/b",
        "a/\x00b",
    ],
)
def test_any_other_text_is_refused_with_a_hint_at_paths(value: str) -> None:
    for argument, build in (
        ("image", lambda: tasks.image_to_model(value)),
        ("image", lambda: tasks.image_to_mesh(value)),
        ("image", lambda: tasks.texture_model(image=value, model=KEY)),
        ("model", lambda: tasks.texture_model(image=KEY, model=value)),
        ("model", lambda: tasks.model_preview_render(value)),
    ):
        assert "pathlib.Path(" in refused(build, argument)


@pytest.mark.parametrize("value", [Path("helmet.png"), b"bytes", io.BytesIO(), None, 5])
def test_builders_upload_nothing(value: Any) -> None:
    assert "client.tasks" in refused(lambda: tasks.image_to_model(value), "image")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("text_to_model", "text-to-model"),
        ("Text To Model", "text-to-model"),
        ("TextToModel", "text-to-model"),
        ("/tasks/x", "tasks-x"),
        ("text--to-model", "text-to-model"),
        ("text-to-model\n", "text-to-model"),
        ("../users", "users"),
    ],
)
def test_a_wrong_flow_name_is_refused_with_a_suggestion(name: str, suggestion: str) -> None:
    assert f"Did you mean '{suggestion}'?" in refused(lambda: tasks.create(name, {}), "flow_name")
    assert f"Did you mean '{suggestion}'?" in refused(lambda: tasks.quote(name), "flow ")


@pytest.mark.parametrize("name", ["", "-", "…", "größe", 5, None])
def test_a_flow_name_that_resembles_none_is_refused(name: Any) -> None:
    assert "Did you mean" not in refused(lambda: tasks.create(name, {}), "flow_name")


@pytest.mark.parametrize("params", [None, [], "x", {"a": {1, 2}}, {1: 1}])
def test_parameters_are_a_mapping_that_json_can_hold(params: Any) -> None:
    refused(lambda: tasks.create("x", params), "params")
    if params is not None:
        refused(lambda: tasks.quote("x", params), "params")


def test_later_changes_of_the_parameters_change_no_request() -> None:
    params: dict[str, JSON] = {"sizes": [1]}
    request = tasks.create("x", params)
    cast("list[int]", params["sizes"]).append(2)
    params["more"] = 1
    assert request.json == {"sizes": [1]}


def test_a_quote_takes_a_flow_name_or_the_request_that_creates_the_task() -> None:
    assert tasks.quote("model-remesh").json == {"flow_name": "model-remesh"}
    assert tasks.quote("x", {"a": 1}).json == {"flow_name": "x", "params": {"a": 1}}
    options = {"client_order_id": "mine", "allow_duplicate": True, "extra": {"seed": 7}}
    created = [
        tasks.text_to_model("a helmet", negative_prompt="blurry", texture_size=2048, **options),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # of several types
        tasks.texture_model(image=KEY, model=URL, texture_size=2048, **options),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # of several types
    ]
    for request in created:
        quote = tasks.quote(request)
        name = request.path.removeprefix("/tasks/")
        assert quote.json == {"flow_name": name, "params": {"texture_size": 2048, "seed": 7}}
        assert (quote.method, quote.path) == ("POST", "/tasks/pricing/quote")
        assert quote.idempotent


def test_a_quote_of_a_request_takes_no_parameters_and_no_other_request() -> None:
    refused(lambda: tasks.quote(tasks.text_to_model("abc"), {"turbo": True}), "params")
    refused(lambda: tasks.quote(tasks.get(UUID_TEXT)), "flow")


def test_a_task_is_named_by_a_task_a_uuid_or_its_text() -> None:
    task = Task(task_uuid=UUID(UUID_TEXT), status="RUNNING")
    for reference in (task, UUID(UUID_TEXT), UUID_TEXT):
        assert (tasks.get(reference).method, tasks.get(reference).path) == ("GET", f"/tasks/{UUID_TEXT}")
        assert tasks.asset(reference).path == f"/tasks/url/{UUID_TEXT}"
    assert repickled(tasks.get(task)) == tasks.get(task)
    assert hash(tasks.get(task)) == hash(tasks.get(task))


@pytest.mark.parametrize(
    "reference",
    [
        *("", "x", 5, None, b"x"),
        *(UUID_TEXT.upper(), f"{{{UUID_TEXT}}}", UUID_TEXT.replace("-", ""), f"urn:uuid:{UUID_TEXT}", f" {UUID_TEXT}"),
    ],
)
def test_anything_else_names_no_task(reference: Any) -> None:
    for build in (tasks.get, tasks.asset):
        refused(lambda build=build: build(reference), "task must be a Task, a UUID or its canonical text (")  # type: ignore[misc]  # mypy does not infer such a lambda


def test_errors_show_no_more_than_the_beginning_of_a_long_value() -> None:
    text = refused(lambda: tasks.image_to_model("x" * 100_000), "image")
    assert len(text) < 500
    assert re.search("x{100}", text)
