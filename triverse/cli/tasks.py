"""`triverse task …`, `triverse quote` and `triverse upload`."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Final, cast
from uuid import UUID

import click

from triverse import Task
from triverse.api.uploads import Variant
from triverse.cli.options import FILE, ClientFactory, client_options, json_option, seconds_of
from triverse.cli.output import (
    API_ERROR,
    OK,
    CommandError,
    credits_text,
    keeping,
    print_fields,
    print_json,
    print_note,
    write_line,
)
from triverse.cli.progress import reporting, task_line
from triverse.cli.task_errors import input_errors, resumable, resume_command, time_limit

__all__ = ["check_target", "quote", "task", "upload"]

_IMAGE_HEADS: Final = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
_OUTPUT_HELP: Final = "File or directory to save to."


@click.group(
    help="Show, wait for, watch and download tasks.",
    epilog="""\b
Examples:
  triverse task show TASK_UUID
  triverse task wait TASK_UUID -o helmet.glb

With --sandbox, every TASK_UUID names a task of a local Triverse that ends with the command. The task has succeeded; for
"wait" and "watch", it has just begun.
""",
)
def task() -> None:
    pass


_task_id = click.argument("task_id", metavar="TASK_UUID", type=click.UUID)
_to = click.option("-o", "--output", metavar="PATH", type=FILE, help=_OUTPUT_HELP)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
_timeout = click.option("--timeout", type=seconds_of, default=3600.0, metavar="SECONDS", help="Longest wait. [3600]")
_preview = click.option("--preview", is_flag=True, help="The preview picture in place of the model.")


@task.command(help="Show the state of a task.", epilog="Example: triverse task show TASK_UUID --json")
@_task_id
@json_option
@client_options
def show(factory: ClientFactory, *, task_id: UUID, as_json: bool) -> None:
    with factory.client_for_task(task_id, ended=True) as client:
        state = client.tasks.get(task_id)
    if as_json:
        print_json(state.to_dict())
    else:
        _print_task(state)


def _print_task(state: Task) -> None:
    fields = {
        "task": state.task_uuid,
        "flow": state.flow_name,
        "status": task_line(state),
        "cost": None if state.cost_credits is None else credits_text(state.cost_credits),
        "created": _time(state.created_at),
        "started": _time(state.started_at),
        "completed": _time(state.completed_at),
    }
    print_fields({name: value for name, value in fields.items() if value is not None})


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@task.command(
    help="Wait until a task ends, and download the result if -o is given.",
    epilog="Example: triverse task wait TASK_UUID -o helmet.glb",
)
@_task_id
@_to
@_overwrite
@_timeout
@json_option
@client_options
def wait(  # noqa: PLR0913 - one argument for each option
    factory: ClientFactory, *, task_id: UUID, output: Path | None, overwrite: bool, timeout: float, as_json: bool
) -> None:
    if output is not None:
        check_target(output, overwrite=overwrite)
    path = None
    again = resume_command(factory, task_id, output)
    with (
        factory.client_for_task(task_id, ended=False) as client,
        reporting(as_json=as_json) as reporter,
        resumable(task_id, again),
    ):
        state = client.tasks.wait(task_id, timeout=timeout, on_update=reporter.task)
        if output is not None:
            path = client.tasks.download(
                state, output, overwrite=overwrite, on_progress=lambda step: reporter.transfer("download", step)
            )
    if as_json:
        print_json({"path": None if path is None else str(path), "task": state.to_dict()})
    else:
        write_line(task_line(state) if path is None else str(path))


@task.command(help="Print each change of a task until it ends.", epilog="Example: triverse task watch TASK_UUID")
@_task_id
@_timeout
@json_option
@client_options
def watch(factory: ClientFactory, *, task_id: UUID, timeout: float, as_json: bool) -> None:
    def show_change(state: Task) -> None:
        with keeping(OK):
            write_line(task_line(state), flush=True)

    with (
        factory.client_for_task(task_id, ended=False) as client,
        resumable(task_id, resume_command(factory, task_id, None)),
    ):
        if not as_json:
            client.tasks.wait(task_id, timeout=timeout, on_update=show_change)
            return
        with reporting(as_json=True) as reporter:
            state = client.tasks.wait(task_id, timeout=timeout, on_update=reporter.task)
    print_json({"task": state.to_dict()})


@task.command(
    help="Download the result of a task that has succeeded. Prints the path of the file.",
    epilog="Example: triverse task download TASK_UUID -o helmet.glb",
)
@_task_id
@click.option("-o", "--output", metavar="PATH", type=FILE, default=".", help=f"{_OUTPUT_HELP} [.]")
@_overwrite
@_preview
@json_option
@client_options
def download(  # noqa: PLR0913 - one argument for each option
    factory: ClientFactory, *, task_id: UUID, output: Path, overwrite: bool, preview: bool, as_json: bool
) -> None:
    check_target(output, overwrite=overwrite)
    again = resume_command(factory, task_id, output)
    with (
        factory.client_for_task(task_id, ended=True) as client,
        reporting(as_json=as_json) as reporter,
        resumable(task_id, again),
    ):
        path = client.tasks.download(
            task_id,
            output,
            overwrite=overwrite,
            preview=preview,
            on_progress=lambda step: reporter.transfer("download", step),
        )
    if as_json:
        print_json({"path": str(path)})
    else:
        write_line(str(path))


@task.command(
    help="Print the URL of the result of a task that has succeeded. It may expire.",
    epilog="Example: curl -O $(triverse task url TASK_UUID)",
)
@_task_id
@_preview
@json_option
@client_options
def url(factory: ClientFactory, *, task_id: UUID, preview: bool, as_json: bool) -> None:
    with factory.client_for_task(task_id, ended=True) as client:
        asset = client.tasks.asset(task_id)
    if as_json:
        print_json(asset.to_dict())
        return
    found = asset.preview_url if preview else asset.download_url
    if found is None:
        raise CommandError("the task has no preview", API_ERROR)
    write_line(found)
    if factory.sandbox:
        print_note("The local Triverse ended with this command, so this URL leads nowhere.")


@click.command(
    help="Show what a task costs, without creating it. FLOW is text-to-model unless given.",
    epilog="""\b
Examples:
  triverse quote
  triverse quote image-to-model -p turbo=true
""",
)
@click.argument("flow", default="text-to-model")
@click.option("-p", "--param", "params", metavar="NAME=VALUE", multiple=True, help="A parameter; may be repeated.")
@json_option
@client_options
def quote(factory: ClientFactory, *, flow: str, params: tuple[str, ...], as_json: bool) -> None:
    given = dict(map(_param, params))
    with factory.client() as client, input_errors():
        price = client.tasks.quote(flow, cast("dict[str, str]", given))
    if as_json:
        print_json({**price.to_dict(), "affordable": price.affordable})
        return
    fields = {"flow": price.flow_name, **{f"  {name}": _value(value) for name, value in price.params.items()}}
    fields |= {"cost": credits_text(price.cost_credits), "available": credits_text(price.available_credits)}
    print_fields(fields | {"affordable": "yes" if price.affordable else "no"})


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _param(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.UsageError(f"-p {text}: expected NAME=VALUE", click.get_current_context())
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@click.command(
    help="Upload an image or a model, and print its file_key. Images are recognised by their content.",
    epilog="""\b
Examples:
  triverse upload photo.png
  triverse upload chair.glb --variant geometry
""",
)
@click.argument("file", type=FILE)
@click.option("--kind", type=click.Choice(["image", "model"]), help="What the file is, if that is not recognised.")
@click.option("--variant", type=click.Choice(["geometry", "textured"]), help="What the model contains.")
@click.option("--timeout", type=seconds_of, metavar="SECONDS", help="Longest time, also for a wait in turn.")
@json_option
@client_options
def upload(  # noqa: PLR0913 - one argument for each option
    factory: ClientFactory,
    *,
    file: Path,
    kind: str | None,
    variant: Variant | None,
    timeout: float | None,
    as_json: bool,
) -> None:
    with factory.client() as client, reporting(as_json=as_json) as reporter, time_limit(), input_errors():
        if (kind or _kind(file)) == "image":
            uploaded = client.uploads.image(
                file, timeout=timeout, on_progress=lambda step: reporter.transfer("upload", step)
            )
        else:
            uploaded = client.uploads.model(
                file,
                variant=variant,
                timeout=timeout,
                on_progress=lambda step: reporter.transfer("upload", step),
            )
    if as_json:
        print_json(uploaded.to_dict())
    else:
        write_line(uploaded.file_key)


def _kind(file: Path) -> str:
    with file.open("rb") as content:
        return "image" if content.read(4).startswith(_IMAGE_HEADS) else "model"


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a target that cannot be written to, before anything is paid for.

    Raises:
        UsageError: the file exists, or its directory does not, or is read-only.
    """
    context = click.get_current_context()
    directory = path if path.is_dir() else path.parent
    if not directory.is_dir():
        raise click.UsageError(f"-o {path}: there is no directory {directory}", context)
    if not os.access(directory, os.W_OK):
        raise click.UsageError(f"-o {path}: no file can be created in {directory}", context)
    if path != directory and not overwrite and (path.exists() or path.is_symlink()):
        raise click.UsageError(f"-o {path}: the file exists; replace it with --overwrite", context)
