from __future__ import annotations

from pathlib import Path

import pytest

from digest.mime.message import build
from digest.model.errors import DigestError
from digest.smtp.capture import CaptureServer
from digest.smtp.pool import Pool
from digest.smtp.relay import Relay, Tls
from digest.smtp.replies import Verdict
from support.mails import a_message

WIRE = build(a_message())


async def test_captured_mails_are_files_named_by_order_and_recipient(tmp_path: Path):
    with CaptureServer(tmp_path / "mails") as server:
        async with Pool(Relay("capture", server.host, server.port, tls=Tls.NONE, connections=1)) as pool:
            await pool.send("bounce@example.com", "ann@example.org", WIRE)
            await pool.send("bounce@example.com", "../../bob@example.org", WIRE)
        messages = server.messages

    assert [message.path.name for message in messages] == [
        "00001-ann@example.org.eml",
        "00002-.._.._bob@example.org.eml",
    ]
    assert messages[0].read() == WIRE
    assert messages[0].rcpt_to == ("ann@example.org",)
    assert messages[0].mail_from == "bounce@example.com"
    assert all(message.path.parent == tmp_path / "mails" for message in messages)


async def test_dots_arrive_as_they_were(tmp_path: Path):
    wire = b"Subject: x\r\n\r\n.\r\n..\r\n.hidden\r\n"
    with CaptureServer(tmp_path) as server:
        async with Pool(Relay("capture", server.host, server.port, tls=Tls.NONE)) as pool:
            await pool.send("", "ann@example.org", wire)
        messages = server.messages

    assert messages[0].read() == wire


async def test_a_folder_that_cannot_be_written_defers_the_mail(tmp_path: Path):
    folder = tmp_path / "mails"
    with CaptureServer(folder) as server:
        folder.rmdir()
        async with Pool(Relay("capture", server.host, server.port, tls=Tls.NONE)) as pool:
            result = await pool.send("", "ann@example.org", WIRE)

    assert result.verdict is Verdict.RELAY_BUSY
    assert server.messages == ()


def test_a_port_in_use_is_an_error_with_a_hint(tmp_path: Path):
    with (
        CaptureServer(tmp_path) as server,
        pytest.raises(DigestError, match=f"cannot listen on 127.0.0.1:{server.port}") as caught,
        CaptureServer(tmp_path, port=server.port),
    ):
        pass

    assert "port" in caught.value.hint
