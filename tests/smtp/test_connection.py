from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digest.mime.message import build
from digest.model.errors import MessageInvalid, RelayRefused, RelayUnreachable
from digest.smtp.connection import Connection, dot_stuffed, tls_context
from digest.smtp.relay import Relay, Timeouts, Tls
from digest.smtp.replies import Phase, Verdict
from support.certificates import make_certificate
from support.mails import a_message
from support.sink import Sink, start_sink

WIRE = build(a_message())
QUICK = Timeouts(login_s=5, mail_s=5, rcpt_s=5, data_s=5, dot_s=5, quit_s=2)


def relay_to(sink: Sink, **changes: Any) -> Relay:
    return Relay(
        **{"name": "default", "host": sink.host, "port": sink.port, "tls": Tls.NONE, "timeouts": QUICK, **changes}
    )


async def connect(relay: Relay) -> Connection:
    return await Connection.open(relay, tls=None if relay.tls is Tls.NONE else tls_context(relay))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def odd_sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """One sink with an address for each way of failing."""
    folder = tmp_path_factory.mktemp("odd")
    modes: dict[str, Any] = {
        "defer": {"later@example.org": 99},
        "dead": ["gone@example.org"],
        "drop_at_rcpt": {"rcpt@example.org": 99},
        "drop_at_data": {"data@example.org": 99},
        "drop_in_body": {"body@example.org": 99},
        "drop_after_dot": {"dot@example.org": 99},
        "hang_at_dot": {"hang@example.org": 99},
        "reply": {
            "rcpt:relay@example.org": "550 5.7.1 relaying denied",
            "data:full@example.org": "452 4.3.1 no space",
            "dot:spam@example.org": "554 5.7.1 spam",
            "dot:busy@example.org": "421 4.3.2 closing",
            "dot:odd@example.org": "354 go on",
            "dot:garbage@example.org": "what is this",
            "rcpt:garbage@example.org": "what is this",
        },
        "no_smtputf8": True,
        "size": 50_000,
    }
    with start_sink(folder, **modes) as sink:
        yield sink


async def test_an_accepted_mail_arrives_byte_by_byte(tmp_path: Path):
    with start_sink(tmp_path) as sink:
        connection = await connect(relay_to(sink))
        result = await connection.send("bounce@example.com", "ann@example.org", WIRE)
        await connection.quit()

    assert result.verdict is Verdict.ACCEPTED
    assert result.phase is Phase.DOT
    assert result.reply is not None
    assert result.reply.code == 250
    assert sink.messages() == [WIRE]
    assert sink.accepted()[0]["message_id"] == "<k5qxmyzb@example.com>"
    assert sink.accepted()[0]["sender"] == "bounce@example.com"
    assert sink.events("mail")[0]["options"] == [f"SIZE={len(WIRE)}"]
    assert len(sink.events("quit")) == 1


@pytest.mark.parametrize("body", [b".\r\n", b"..\r\n.x\r\n", b".", b"no end", b"", b"a\r\n.\r\n.\r\nb\r\n"])
async def test_dots_survive_the_wire(tmp_path: Path, body: bytes):
    with start_sink(tmp_path) as sink:
        connection = await connect(relay_to(sink))
        result = await connection.send("", "ann@example.org", body)
        connection.close()

    assert result.verdict is Verdict.ACCEPTED
    assert sink.messages() == [body if body.endswith(b"\r\n") else body + b"\r\n"]


def test_our_own_mails_need_no_dot_stuffing():
    assert dot_stuffed(WIRE) == WIRE + b".\r\n"


@pytest.mark.parametrize(
    ("address", "verdict", "phase"),
    [
        ("later@example.org", Verdict.DEFERRED, Phase.RCPT),
        ("gone@example.org", Verdict.REJECTED, Phase.RCPT),
        ("relay@example.org", Verdict.RELAY_REFUSED, Phase.RCPT),
        ("full@example.org", Verdict.RELAY_BUSY, Phase.DATA),
        ("spam@example.org", Verdict.REJECTED, Phase.DOT),
        ("busy@example.org", Verdict.RELAY_BUSY, Phase.DOT),
        ("odd@example.org", Verdict.DOUBT, Phase.DOT),
        ("rcpt@example.org", Verdict.LOST, Phase.RCPT),
        ("data@example.org", Verdict.LOST, Phase.DATA),
        ("body@example.org", Verdict.DOUBT, Phase.DOT),
        ("dot@example.org", Verdict.DOUBT, Phase.DOT),
        ("jörg@example.org", Verdict.NEEDS_SMTPUTF8, Phase.RCPT),
    ],
)
async def test_each_way_of_failing_has_its_verdict(odd_sink: Sink, address: str, verdict: Verdict, phase: Phase):
    connection = await connect(relay_to(odd_sink))
    result = await connection.send("bounce@example.com", address, WIRE)
    connection.close()

    assert (result.verdict, result.phase) == (verdict, phase)


async def test_a_mail_in_doubt_may_have_been_delivered(odd_sink: Sink):
    connection = await connect(relay_to(odd_sink))
    before = odd_sink.recipients()["dot@example.org"]
    result = await connection.send("", "dot@example.org", WIRE)

    assert result.verdict is Verdict.DOUBT
    assert odd_sink.recipients()["dot@example.org"] == before + 1


async def test_no_answer_to_the_dot_is_doubt(odd_sink: Sink):
    impatient = Timeouts(dot_s=0.2)
    connection = await connect(relay_to(odd_sink, timeouts=impatient))
    result = await connection.send("", "hang@example.org", WIRE)

    assert result.verdict is Verdict.DOUBT
    assert result.reply is None
    assert not connection.is_usable


async def test_a_reply_that_is_no_smtp_is_lost_before_the_dot(odd_sink: Sink):
    connection = await connect(relay_to(odd_sink))
    result = await connection.send("", "garbage@example.org", WIRE)

    assert result.verdict is Verdict.LOST
    assert not connection.is_usable


async def test_the_connection_goes_on_after_a_rejection(odd_sink: Sink):
    connection = await connect(relay_to(odd_sink))
    first = await connection.send("", "gone@example.org", WIRE)
    second = await connection.send("", "fine@example.org", WIRE)
    connection.close()

    assert first.verdict is Verdict.REJECTED
    assert second.verdict is Verdict.ACCEPTED


async def test_a_mail_above_the_announced_size_is_not_even_tried(odd_sink: Sink):
    connection = await connect(relay_to(odd_sink))
    result = await connection.send("", "big@example.org", WIRE + b"x\r\n" * 20_000)
    connection.close()

    assert result.verdict is Verdict.RELAY_REFUSED
    assert result.reply is not None
    assert "50000" in result.reply.text
    assert odd_sink.recipients()["big@example.org"] == 0


async def test_an_international_domain_is_sent_as_a_labels_and_a_local_part_with_smtputf8(tmp_path: Path):
    with start_sink(tmp_path) as sink:
        connection = await connect(relay_to(sink))
        await connection.send("", "ann@müller.example.com", WIRE)
        await connection.send("", "jörg@example.org", build(a_message(to_email="jörg@example.org")))
        connection.close()

    assert list(sink.recipients()) == ["ann@xn--mller-kva.example.com", "jörg@example.org"]
    assert "SMTPUTF8" not in sink.events("mail")[0]["options"]
    assert "SMTPUTF8" in sink.events("mail")[1]["options"]


@pytest.mark.parametrize("address", ["a@example.com>\r\nRCPT TO:<b@example.com", "a b@example.com", "<a@example.com>"])
async def test_an_address_cannot_smuggle_a_command(odd_sink: Sink, address: str):
    connection = await connect(relay_to(odd_sink))
    with pytest.raises(MessageInvalid):
        await connection.send("", address, WIRE)
    connection.close()


async def test_a_relay_that_is_down_is_unreachable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        relay = Relay("default", "127.0.0.1", taken.getsockname()[1], tls=Tls.NONE)
        with pytest.raises(RelayUnreachable) as caught:
            await connect(relay)

    assert f"'default' at 127.0.0.1:{relay.port}" in caught.value.message
    assert "relays.default.host" in caught.value.hint


async def test_a_relay_that_says_nothing_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        relay = Relay("default", "127.0.0.1", silent.getsockname()[1], tls=Tls.NONE, connect_timeout_s=0.2)
        with pytest.raises(RelayUnreachable, match="no answer in time"):
            await connect(relay)


async def test_a_login_on_loopback_works_without_tls(tmp_path: Path):
    with start_sink(tmp_path, auth="desk:s3cret") as sink:
        connection = await connect(relay_to(sink, username="desk", password="s3cret"))
        result = await connection.send("", "ann@example.org", WIRE)
        connection.close()

    assert result.verdict is Verdict.ACCEPTED


async def test_a_wrong_password_is_tried_once_and_named(tmp_path: Path):
    with start_sink(tmp_path, auth="desk:s3cret") as sink:
        with pytest.raises(RelayRefused) as caught:
            await connect(relay_to(sink, username="desk", password="wrong"))
        logins = sink.events("login")

    assert "refused the login of 'desk' (535" in caught.value.message
    assert "password_file" in caught.value.hint
    assert len(logins) == 1


async def test_a_missing_login_is_the_relay_refusing_us(tmp_path: Path):
    with start_sink(tmp_path, auth="desk:s3cret") as sink:
        connection = await connect(relay_to(sink))
        result = await connection.send("", "ann@example.org", WIRE)
        connection.close()

    assert result.verdict is Verdict.RELAY_REFUSED


async def test_a_login_where_the_relay_knows_none_is_refused(odd_sink: Sink):
    with pytest.raises(RelayRefused, match="no way to log in"):
        await connect(relay_to(odd_sink, username="desk", password="s3cret"))


async def test_a_password_never_leaves_this_machine_unencrypted():
    relay = Relay("default", "192.0.2.1", 25, tls=Tls.NONE, username="desk", password="s3cret")
    with pytest.raises(RelayRefused, match="unencrypted"):
        await connect(relay)

    assert "s3cret" not in repr(relay)


@pytest.mark.parametrize("mode", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_login_and_mail_over_tls(tmp_path: Path, certificate: tuple[Path, Path], mode: Tls):
    with start_sink(tmp_path, auth="desk:s3cret", tls=certificate, implicit_tls=mode is Tls.IMPLICIT) as sink:
        relay = relay_to(sink, tls=mode, ca_file=certificate[0], username="desk", password="s3cret")
        connection = await connect(relay)
        result = await connection.send("", "ann@example.org", WIRE)
        await connection.quit()

    assert result.verdict is Verdict.ACCEPTED
    assert sink.messages() == [WIRE]
    assert sink.events("login")[0]["secure"] is (mode is Tls.STARTTLS)


@pytest.mark.parametrize("mode", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_an_untrusted_certificate_has_words_of_its_own(tmp_path: Path, certificate: tuple[Path, Path], mode: Tls):
    with start_sink(tmp_path, tls=certificate, implicit_tls=mode is Tls.IMPLICIT) as sink:
        with pytest.raises(RelayRefused) as caught:
            await connect(relay_to(sink, tls=mode))
        unverified = await connect(relay_to(sink, tls=mode, verify_tls=False))
        unverified.close()

    assert "certificate of relay 'default'" in caught.value.message
    assert "ca_file" in caught.value.hint


async def test_a_relay_without_starttls_is_refused(odd_sink: Sink):
    with pytest.raises(RelayRefused, match="does not offer STARTTLS"):
        await connect(relay_to(odd_sink, tls=Tls.STARTTLS))


async def test_implicit_tls_towards_a_plain_port_is_explained(odd_sink: Sink):
    with pytest.raises(RelayRefused, match="does not speak TLS as configured"):
        await connect(relay_to(odd_sink, tls=Tls.IMPLICIT))


async def test_an_unreadable_ca_file_is_named(odd_sink: Sink, tmp_path: Path):
    with pytest.raises(RelayRefused, match=r"missing\.pem"):
        await connect(relay_to(odd_sink, tls=Tls.STARTTLS, ca_file=tmp_path / "missing.pem"))


async def test_we_call_ourselves_what_the_relay_settings_say(tmp_path: Path):
    with start_sink(tmp_path) as sink:
        connection = await connect(relay_to(sink, hostname="mail.example.com"))
        await connection.quit()

    assert sink.events("ehlo")[0]["name"] == "mail.example.com"
