"""Leaving by mail: whose token it is leaves, once, and nothing else happens."""

from __future__ import annotations

import mailbox
from collections import Counter
from email.message import EmailMessage
from pathlib import Path

import pytest

from digest.app import feedback
from digest.app.container import Container
from digest.app.feedback import Became
from digest.config.secrets import Purpose
from digest.deliver.letter import unsubscribe_mailto
from digest.model.errors import BadInput
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import subscriptions
from digest.store.engine import Store
from support.factories import NOW, make_publication, make_subscription
from support.project import call, settle_in
from support.sending import make_container


@pytest.fixture
def desk(store: Store) -> tuple[Container, Subscription]:
    with store.write() as tx:
        reader = make_subscription(tx, make_publication(tx), "ann@example.com")
    return make_container(store), reader


def mail_to(address: str, *, field: str = "To") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "another-account@example.org"
    mail[field] = address
    mail["Subject"] = "unsubscribe"
    mail.set_content("")
    return mail


def address_of(container: Container, reader: Subscription) -> str:
    """Where the mailto of the reader's own mails leads."""
    token = container.keyring.sign(Purpose.UNSUBSCRIBE, reader.token_id)
    return unsubscribe_mailto("news@example.com", token).removeprefix("mailto:")


def state(container: Container, reader: Subscription) -> SubscriptionState:
    with container.store.read() as tx:
        found = subscriptions.by_token_id(tx, reader.token_id)
    assert found is not None
    return found.state


@pytest.mark.parametrize("field", ["To", "Delivered-To", "X-Original-To"])
def test_who_writes_to_the_address_in_their_mail_leaves_once(desk: tuple[Container, Subscription], field: str):
    container, reader = desk
    mail = mail_to(f"Digest <{address_of(container, reader)}>", field=field)
    did = feedback.ingest(container, [mail, mail], now=NOW)

    assert did == Counter({Became.LEFT: 1, Became.GONE: 1})
    assert state(container, reader) is SubscriptionState.UNSUBSCRIBED


def test_forged_tokens_and_other_mails_change_nothing(desk: tuple[Container, Subscription]):
    container, reader = desk
    forged = address_of(container, reader).replace("@", "x@")
    did = feedback.ingest(container, [mail_to(forged), mail_to("news@example.com")], now=NOW)

    assert did == Counter({Became.REFUSED: 1, Became.OTHER: 1})
    assert state(container, reader) is SubscriptionState.ACTIVE


def test_an_mbox_and_a_single_mail_are_read_and_an_empty_file_is_refused(tmp_path: Path):
    box = mailbox.mbox(tmp_path / "box")
    for number in range(3):
        box.add(mail_to(f"a{number}@example.com"))
    box.close()
    (tmp_path / "one.eml").write_bytes(mail_to("b@example.com").as_bytes())
    (tmp_path / "empty").write_bytes(b"\n")

    assert [mail["To"] for mail in feedback.from_mbox(tmp_path / "box")] == [f"a{n}@example.com" for n in range(3)]
    assert [mail["To"] for mail in feedback.from_mbox(tmp_path / "one.eml")] == ["b@example.com"]
    for name in ("empty", "missing"):
        with pytest.raises(BadInput):
            list(feedback.from_mbox(tmp_path / name))


def test_the_command_tells_what_it_did(
    sqlite_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    settle_in(tmp_path, monkeypatch, sqlite_database)
    (tmp_path / "one.eml").write_bytes(mail_to("news@example.com").as_bytes())
    nothing = call(capsys, "feedback", "ingest", "--mbox", "one.eml", "--json")
    unclear = call(capsys, "feedback", "ingest")

    assert (nothing.code, nothing.json) == (3, {"left": 0, "gone": 0, "refused": 0, "other": 1})
    assert (unclear.code, "--stdin" in unclear.err) == (2, True)
