"""`triverse generate`: from a prompt or an image to a model on the disk."""

from __future__ import annotations

import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict
from uuid import uuid4

import click
from attrs import frozen

from triverse import ConflictError, Quote, Request, Task, Triverse, UploadedFile, api
from triverse.cli.options import FILE, ClientFactory, client_options, json_option, mutually_exclusive, seconds_of
from triverse.cli.output import (
    API_ERROR,
    INTERRUPTED,
    USAGE,
    CommandError,
    credits_text,
    is_terminal,
    print_json,
    print_note,
    write_line,
)
from triverse.cli.progress import Reporter, reporting
from triverse.cli.task_errors import input_errors, resumable, resume_command
from triverse.cli.tasks import check_target
from triverse.files.uploads import open_upload

__all__ = ["generate"]

# An image is quoted before it is uploaded: its content does not change the price.
_NOT_UPLOADED_YET = UploadedFile("not/uploaded-yet")

_KEYBOARD_SECONDS = 0.2


class _Options(TypedDict):
    """Parameters that both flows have; None is not sent."""

    polygon_limit: int | None
    texture_size: int | None
    turbo: bool | None
    allow_duplicate: bool | None
    client_order_id: str


@frozen
class _Order:
    """What to make.

    Attributes:
        prompt: the text; None for an image.
        negative_prompt: what to avoid, beside a prompt.
        image: a path or an `https://` URL; None for a prompt.
        model_version: for an image.
        options: the other parameters. Their id protects from paying twice.
    """

    prompt: str | None
    negative_prompt: str | None
    image: str | None
    model_version: str | None
    options: _Options

    def request(self, image: str | UploadedFile) -> Request[Task]:
        """The request that creates the task."""
        if self.prompt is not None:
            return api.tasks.text_to_model(self.prompt, negative_prompt=self.negative_prompt, **self.options)
        return api.tasks.image_to_model(image, model_version=self.model_version, **self.options)


@click.command(
    help="""Make a 3D model and download it. It asks before it spends credits. Example: triverse generate
    "a brass helmet" -o helmet.glb""",
)
@click.argument("prompt", required=False)
@click.option("--negative-prompt", metavar="TEXT", help="What to avoid. Goes with PROMPT.")
@click.option("--image", metavar="FILE", help="Image in place of PROMPT: a file or an https:// URL.")
@click.option("--model-version", metavar="NAME", help="Version of the service's model. Goes with --image.")
@click.option("-o", "--output", metavar="PATH", type=FILE, default=".", help="File or directory to save to. [.]")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@click.option("--polygon-limit", type=int, metavar="N", help="At most N polygons: 1000 to 1500000.")
@click.option("--texture-size", type=int, metavar="N", help="Texture of N x N pixels: 1024 to 4096.")
@click.option("--turbo", is_flag=True, help="Faster, perhaps in lower quality.")
@click.option("--order-id", metavar="ID", help="Your id of the order: the same id is paid once.")
@click.option("--allow-duplicate", is_flag=True, help="Create it even if it repeats a recent task.")
@click.option("--timeout", type=seconds_of, default=3600.0, metavar="SECONDS", help="Longest wait. [3600]")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
@client_options
def generate(  # noqa: PLR0913 - one argument for each option
    factory: ClientFactory,
    *,
    prompt: str | None,
    negative_prompt: str | None,
    image: str | None,
    model_version: str | None,
    output: Path,
    overwrite: bool,
    polygon_limit: int | None,
    texture_size: int | None,
    turbo: bool,
    order_id: str | None,
    allow_duplicate: bool,
    timeout: float,
    yes: bool,
    as_json: bool,
) -> None:
    if (prompt is None) == (image is None):
        raise click.UsageError("give either a prompt or --image", click.get_current_context())
    mutually_exclusive(**{"--image": image is not None, "--negative-prompt": negative_prompt is not None})
    if image is None and model_version is not None:
        raise click.UsageError("--model-version goes with --image", click.get_current_context())
    check_target(output, overwrite=overwrite)
    options = _Options(
        polygon_limit=polygon_limit,
        texture_size=texture_size,
        turbo=turbo or None,
        allow_duplicate=allow_duplicate or None,
        client_order_id=order_id or uuid4().hex,
    )
    order = _Order(prompt, negative_prompt, image, model_version, options)
    with factory.client() as client:
        quote = _quote(client, order)
        _confirm(factory, quote, yes=yes, as_json=as_json)
        with reporting(as_json=as_json) as reporter:
            task = _create(client, order, reporter)
            with resumable(task.task_uuid, resume_command(factory, task.task_uuid, output)):
                reporter.task(task)
                task = client.tasks.wait(task, timeout=timeout, on_update=reporter.task)
                path = client.tasks.download(
                    task, output, overwrite=overwrite, on_progress=lambda step: reporter.transfer("download", step)
                )
    if as_json:
        print_json({"path": str(path), "task": task.to_dict()})
    else:
        write_line(str(path))


def _quote(client: Triverse, order: _Order) -> Quote:
    """The price of the task. Everything that can be refused here is, before the user is asked.

    Raises:
        CommandError: the prompt, the image or a parameter was refused.
    """
    with input_errors():
        if order.image is not None and not _is_url(order.image):
            open_upload(api.uploads.image(Path(order.image))).close()
        return client.tasks.quote(order.request(_NOT_UPLOADED_YET))


def _confirm(factory: ClientFactory, quote: Quote, *, yes: bool, as_json: bool) -> None:
    """Show the price, and ask whether to go on.

    Raises:
        CommandError: there are too few credits, the user does not agree, or there is no terminal to ask in.
    """
    cost, available = credits_text(quote.cost_credits), credits_text(quote.available_credits)
    if not quote.affordable:
        details = {"cost_credits": quote.cost_credits, "available_credits": quote.available_credits}
        raise CommandError(f"this costs {cost} credits, but only {available} are available", API_ERROR, **details)
    if as_json:
        price = {"cost_credits": quote.cost_credits, "available_credits": quote.available_credits}
        print_json({"event": "quote", **price}, error=True)
    else:
        print_note(f"{quote.flow_name} costs {cost} of {available} credits.")
    try:
        agreed = yes or _agrees(free=factory.sandbox, as_json=as_json)
    except KeyboardInterrupt as error:
        sys.stderr.write("\n" * (not as_json))
        raise CommandError("interrupted; nothing was created", INTERRUPTED) from error
    if not agreed:
        raise CommandError("nothing was created, since you did not agree", USAGE)


def _agrees(*, free: bool, as_json: bool) -> bool:
    """Ask on standard error.

    Raises:
        CommandError: standard input has no reply, and `--yes` was not given.
    """
    if not as_json:
        sys.stderr.write("Create it? [y/N] ")
        sys.stderr.flush()
        _wait_for_keyboard()
        reply = sys.stdin.readline()
        if reply:
            return reply.strip().lower() in {"y", "yes"}
        sys.stderr.write("\n")
    if free:
        return True
    raise CommandError("there is no terminal to ask in: confirm the price with --yes", USAGE)


def _wait_for_keyboard() -> None:
    """Wait for a line. A Ctrl-C just before a read that blocks would be noticed only after that line."""
    if sys.platform != "win32" and is_terminal(sys.stdin):
        typed: Sequence[object] = ()
        while not typed:
            typed, _, _ = select.select([sys.stdin], [], [], _KEYBOARD_SECONDS)


def _create(client: Triverse, order: _Order, reporter: Reporter) -> Task:
    """Upload the image if it is a file, and create the task.

    Raises:
        CommandError: the input was refused, an equal task was created shortly before, or the user pressed Ctrl-C.
    """
    try:
        with input_errors():
            image = _upload(client, order.image, reporter) if order.image else ""
            return client.execute(order.request(image))
    except ConflictError as error:
        text = str(error).replace("allow_duplicate=True", "--allow-duplicate")
        raise CommandError(text, API_ERROR) from error
    except KeyboardInterrupt as error:
        order_id = order.options["client_order_id"]
        text = f"interrupted; the task may exist. The same command with --order-id {order_id} pays once"
        raise CommandError(text, INTERRUPTED, client_order_id=order_id) from error


def _upload(client: Triverse, image: str, reporter: Reporter) -> str | UploadedFile:
    if _is_url(image):
        return image
    return client.uploads.image(Path(image), on_progress=lambda step: reporter.transfer("upload", step))


def _is_url(image: str) -> bool:
    return image.startswith(("https://", "http://"))
