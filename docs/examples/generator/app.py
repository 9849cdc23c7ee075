"""A web page that turns a prompt into a 3D model.

The browser sends requests to this application, and the application to Triverse, with its own key in
`TRIVERSE_API_KEY`. To start it on the sandbox, run `triverse sandbox` in one shell, paste the two `export` lines that
it prints into another one, and start the application there:

    uvicorn app:app --app-dir docs/examples/generator
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field
from triverse import Request, Task, UserBalance
from triverse.api import tasks
from triverse.fastapi import (
    CurrentBalance,
    DownloadResponse,
    TaskEventsResponse,
    TriverseDep,
    credits_required,
    install_error_handlers,
    lifespan,
)

STATIC = Path(__file__).parent / "static"


class Order(BaseModel):
    """What the page sends.

    Attributes:
        prompt: the description of the model.
    """

    prompt: str = Field(min_length=3, max_length=500)


def model_request(order: Order) -> Request[Task]:
    """Build the request that creates the task, without sending it."""
    return tasks.text_to_model(order.prompt, texture_size=2048)


app = FastAPI(title="Generator", lifespan=lifespan)
install_error_handlers(app)
app.mount("/static", StaticFiles(directory=STATIC), name="static")


@app.get("/", include_in_schema=False)
async def read_page() -> FileResponse:
    """Send the page."""
    return FileResponse(STATIC / "index.html")


@app.get("/credits")
async def read_credits(balance: CurrentBalance) -> UserBalance:
    """Return the credits of the application's account."""
    return balance


@app.post(
    "/models",
    status_code=201,
    dependencies=[Depends(credits_required(model_request))],
)
async def create_model(
    request: Annotated[Request[Task], Depends(model_request)], client: TriverseDep
) -> Task:
    """Create a model, if the credits cover the price that Triverse quotes for it."""
    return await client.execute(request)


@app.get("/models/{task_uuid}/events")
async def read_events(task_uuid: UUID, client: TriverseDep) -> TaskEventsResponse:
    """Send the progress of a model to the browser until it is finished."""
    return TaskEventsResponse(client, task_uuid)


@app.get("/models/{task_uuid}/file")
async def read_file(task_uuid: UUID, client: TriverseDep) -> DownloadResponse:
    """Pass on the file of a finished model."""
    return DownloadResponse(client, task_uuid, inline=True)
