"""Taking a port, starting, and stopping."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from digest.model.errors import BadInput
from digest.web.server import address_of, bind, serving
from support.site import ask

PROGRAM = """
import asyncio, sys
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from digest.web.server import serve

async def slow(request):
    print("asked", flush=True)
    await asyncio.sleep(0.6)
    return PlainTextResponse("whole")

serve(Starlette(routes=[Route("/", slow)]), host="127.0.0.1", port=0, on_ready=lambda base: print(base, flush=True))
print("ended", flush=True)
"""


def test_a_port_in_use_is_bad_input_that_names_the_remedy():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput) as caught:
            bind("127.0.0.1", port)

    assert caught.value.message == f"port {port} on 127.0.0.1 is in use"
    assert caught.value.hint == "choose another with --port"


async def test_a_port_in_use_is_noticed_before_anything_starts():
    started: list[str] = []
    app = Starlette(lifespan=lambda _app: started.append("x"))  # type: ignore[arg-type,return-value,func-returns-value] # must not be called
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadInput):
        async with serving(app, host="127.0.0.1", port=taken.getsockname()[1]):
            pass

    assert started == []


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
def test_a_foreign_host_is_bad_input(host: str):
    with pytest.raises(BadInput, match="not an address of this machine"):
        bind(host, 0)


def test_a_port_can_be_taken_again_at_once():
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
    with bind("127.0.0.1", port) as second:
        assert address_of(second) == f"http://127.0.0.1:{port}"


async def test_serving_runs_inside_a_loop_beside_other_work_and_frees_its_port():
    app = Starlette(routes=[Route("/", lambda _request: PlainTextResponse("here"))])
    async with serving(app, host="127.0.0.1", port=0) as base:
        reply = await asyncio.to_thread(ask, base, "GET", "/")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(ask, base, "GET", "/")

    assert (reply.status, reply.body) == (200, "here")


async def test_leaving_the_block_lets_a_running_request_finish():
    async def slow(_request: Request) -> PlainTextResponse:
        await asyncio.sleep(0.5)
        return PlainTextResponse("whole")

    async with serving(Starlette(routes=[Route("/", slow)]), host="127.0.0.1", port=0) as base:
        asking = asyncio.create_task(asyncio.to_thread(ask, base, "GET", "/"))
        await asyncio.sleep(0.2)

    assert (await asking).body == "whole"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_the_process_with_its_request_answered_and_exit_code_0(number: signal.Signals):
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base = process.stdout.readline().strip()
        with socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2]))) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert process.stdout.readline().strip() == "asked"
            os.kill(process.pid, number)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        began = time.monotonic()
        rest = process.stdout.read()

    assert answer.endswith(b"whole")
    assert rest == "ended\n"
    assert process.returncode == 0
    assert time.monotonic() - began < 5
