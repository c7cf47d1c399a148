"""The conversation on uvloop, whose transports are its own: plain, after STARTTLS, pipelined and in chunks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

from digest.cli import loop
from digest.mime.message import build
from digest.smtp.pool import Pool
from digest.smtp.relay import Chunking, Pipelining, Relay, Tls
from digest.smtp.replies import Verdict
from support.certificates import make_certificate
from support.mails import a_message
from support.sink import start_sink

WIRE = build(a_message())
NAMES = [f"r{number}@example.org" for number in range(60)]


@pytest.mark.parametrize("way", [{"pipelining": Pipelining.OFF}, {}, {"chunking": Chunking.AUTO}], ids=str)
@pytest.mark.parametrize("tls", [Tls.NONE, Tls.STARTTLS])
def test_mails_go_out_on_uvloop_as_they_do_on_asyncio(tmp_path: Path, way: dict[str, Any], tls: Tls):
    certificate = make_certificate(tmp_path)

    async def send() -> list[Verdict]:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        relay = Relay("default", sink.host, sink.port, tls=tls, connections=2, ca_file=certificate[0], **way)
        async with Pool(relay) as pool:
            ends = await asyncio.gather(*(pool.send("", name, WIRE) for name in NAMES))
        return [end.verdict for end in ends]

    with start_sink(
        tmp_path, tls=None if tls is Tls.NONE else certificate, chunking=True, dead=["r7@example.org"], delay_s=0.001
    ) as sink:
        verdicts = loop.run(send())

    assert verdicts == [Verdict.REJECTED if name == "r7@example.org" else Verdict.ACCEPTED for name in NAMES]
    assert sink.recipients() == {name: 1 for name in NAMES if name != "r7@example.org"}
