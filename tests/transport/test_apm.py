"""Sentry, Datadog and New Relic see every call, and their trace headers go out.

They patch httpx for the whole process, so each runs in its own process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from support.clients import KEY
from support.server import serving

CALLS = """
import asyncio, httpx
from triverse import AsyncTriverse, Triverse

async def call_async(**options):
    async with AsyncTriverse(**options) as client:
        await client.users.balance()
        await client.users.me()

def call():
    with Triverse() as client:
        client.users.balance()
        client.users.me()
    asyncio.run(call_async())
    with httpx.Client() as own, Triverse(http_client=own) as client:
        client.users.balance()

"""

SENTRY = """
import sentry_sdk
from sentry_sdk.integrations.httpx import HttpxIntegration

seen = []
sentry_sdk.init(
    "http://key@127.0.0.1:9/1",
    integrations=[HttpxIntegration()],
    default_integrations=False,
    traces_sample_rate=1.0,
    before_send_transaction=lambda event, hint: seen.extend(event["spans"]),
    trace_propagation_targets=[".*"],
)
with sentry_sdk.start_transaction(name="test"):
    call()
print(sum(span["op"] == "http.client" for span in seen))
"""

DATADOG = """
from ddtrace.contrib.internal.httpx.patch import patch
from ddtrace.trace import TraceFilter, tracer

seen = []

class Keep(TraceFilter):
    def process_trace(self, trace):
        seen.extend(trace)

tracer.configure(trace_processors=[Keep()])
patch()
with tracer.trace("test"):
    call()
print(sum(span.name == "http.request" for span in seen))
"""

NEW_RELIC = """
import newrelic.agent
from newrelic.api.external_trace import ExternalTrace

newrelic.agent.initialize()

seen = []
begin = ExternalTrace.__enter__
ExternalTrace.__enter__ = lambda self: seen.append(self.url) or begin(self)
call()
print(len(seen))
"""

PROGRAMS = {
    "sentry": ("sentry_sdk", SENTRY, "sentry-trace"),
    "datadog": ("ddtrace", DATADOG, "x-datadog-trace-id"),
    "new relic": ("newrelic", NEW_RELIC, None),
}


@pytest.mark.parametrize("tool", PROGRAMS)
def test_every_call_is_seen_and_trace_headers_go_out(tool: str) -> None:
    library, program, trace_header = PROGRAMS[tool]
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed: it has no release for this Python")
    with serving() as server:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", CALLS + program],
            env={
                **os.environ,
                "TRIVERSE_API_KEY": KEY,
                "TRIVERSE_BASE_URL": server.url,
                "DD_TRACE_ENABLED": "true",
                "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
                "DD_REMOTE_CONFIGURATION_ENABLED": "false",
                "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
                "NEW_RELIC_DEVELOPER_MODE": "true",
                "NEW_RELIC_LICENSE_KEY": "0" * 40,
                "NEW_RELIC_APP_NAME": "test",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        received = list(server.requests)
    assert done.stdout.split()[-1:] == ["5"], done.stdout + done.stderr
    assert len(received) == 5
    if trace_header is not None:
        assert all(request.header(trace_header) for request in received)
    assert {request.header("Authorization") for request in received} == {f"Bearer {KEY}"}
