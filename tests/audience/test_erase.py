"""Erasing: no mail, no way back but the owner's own, and a dump that names nobody."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import MetaData, select

from digest.audience import erase, mydata, subscribe
from digest.audience.application import Request
from digest.audience.importing import import_csv
from digest.config.secrets import Purpose
from digest.model.delivery import DeliveryState
from digest.model.errors import NotFound
from digest.model.issue import IssueState
from digest.model.mailbox import SuppressReason
from digest.store import deliveries, issues, publications, renditions, subscribers, subscriptions, suppressions
from digest.store.engine import Store
from digest.store.tables import delivery
from support.factories import make_subscription
from support.readers import Desk
from support.sending import EVERYTHING, composed_issue

ANN = "ann@example.com"
CSV = b"email,name\nann@example.com,Ann Birk\nbo@example.com,Bo\n"


def dump(store: Store) -> str:
    """Every value of every table as text."""
    if store.is_sqlite:
        with closing(sqlite3.connect(str(store.sqlite_path))) as database:
            return "\n".join(database.iterdump())
    schema = MetaData()
    with store.read() as tx:
        schema.reflect(tx.connection)
        return "\n".join(
            str(tuple(row)) for table in schema.sorted_tables for row in tx.connection.execute(select(table))
        )


def erased(desk: Desk) -> None:
    mine = desk.has()
    assert mine is not None
    token = desk.keys.sign(Purpose.PREFERENCES, mine.token_id)
    assert erase.erase_by_link(desk.store, desk.links, token=token, now=desk.now)


def sent_to(desk: Desk, *, day: int) -> tuple[int, list[int]]:
    """Fan an issue out and claim all of it: the audience, and who would be mailed."""
    with desk.store.write() as tx:
        publication = publications.get(tx, "morning")
        issue = composed_issue(tx, publication, day=day)

        suppressions.adopt(tx, desk.keys.address_hash)
        rendition = renditions.of_issue(tx, issue.id)[0].id
        audience = deliveries.fan_out(tx, issue, {EVERYTHING: rendition}, chunk_size=100, now=tx.now())
        issues.move(tx, issue.id, expected=IssueState.COMPOSED, to=IssueState.SENDING, now=tx.now())
        claimed = deliveries.claim(
            tx, issue.id, chunk=0, lease="a", lease_for=timedelta(minutes=1), limit=100, now=tx.now()
        )
    return audience, [one.subscriber_id for one in claimed]


def test_erase_import_an_old_file_and_send_and_there_is_no_mail_and_no_trace(desk: Desk):
    import_csv(desk.store, "morning", file=io.BytesIO(CSV), now=desk.now, keyring=desk.keys)
    desk.sign_up(email=ANN, alerts=True)
    desk.confirm()
    before = dump(desk.store)
    erased(desk)
    report = import_csv(desk.store, "morning", file=io.BytesIO(CSV), now=desk.now, keyring=desk.keys)
    audience, claimed = sent_to(desk, day=23)
    after = dump(desk.store)

    assert ANN in before
    assert (report.kept_suppressed, report.unchanged, report.created) == (1, 1, 0)
    assert (audience, len(claimed)) == (1, 1)
    for trace in (ANN, "Ann Birk", "192.0.2", *(hash_of(ANN) for hash_of in PLAIN_HASHES)):
        assert trace not in after
    assert desk.keys.address_hash(ANN) in after


PLAIN_HASHES = [
    lambda text, name=name: hashlib.new(name, text.encode()).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")
]


def test_a_reader_who_was_mailed_leaves_rows_that_add_up_and_name_nobody(desk: Desk):
    mine = desk.subscribed()
    sent_to(desk, day=23)
    with desk.store.write() as tx:
        tx.connection.execute(
            delivery.update().values(reply_text=f"550 <{ANN}> unknown", state=DeliveryState.FAILED.value)
        )
    erased(desk)
    with desk.store.read() as tx:
        stands_in = subscribers.by_id(tx, mine.subscriber.id)
        listed = subscribers.list_subscribers(tx, limit=9)
        deliveries_left = tx.connection.execute(select(delivery.c.reply_text)).scalars().all()

    assert stands_in is not None
    assert (stands_in.email, stands_in.name) == ("", "")
    assert listed == []
    assert deliveries_left == [None]
    assert ANN not in dump(desk.store)


def test_a_claimed_mail_of_an_erased_reader_is_not_sent(desk: Desk):
    mine = desk.subscribed()
    sent_to(desk, day=23)
    erased(desk)
    with desk.store.write() as tx:
        issue_id = tx.connection.execute(select(delivery.c.issue_id)).scalar_one()
        marked = deliveries.mark(tx, issue_id, lease="a", subscriber_ids=[mine.subscriber.id], now=tx.now())

    assert marked == []


def test_an_operator_adding_an_erased_address_by_hand_is_told(desk: Desk):
    desk.subscribed()
    erase.erase_address(desk.store, desk.keys, email="Ann@Example.com", now=desk.now)
    with pytest.raises(NotFound):
        erase.erase_address(desk.store, desk.keys, email=ANN, now=desk.now)
    with desk.store.read() as tx:
        barred = suppressions.of_address(tx, desk.keys.address_hash(ANN), now=desk.now)

    assert [item.reason for item in barred] == [SuppressReason.ERASED]
    with pytest.raises(Exception, match="erased"):
        subscribe.add(
            desk.store,
            "morning",
            request=Request(email=ANN),
            how="operator",
            now=desk.now,
            keyring=desk.keys,
        )


def test_keys_that_are_given_again_hide_no_suppressed_address(counter: Desk):
    """SQLite gives the key of the last reader again once they are gone: the next one is still compared."""
    counter.subscribed()
    with counter.store.write() as tx:
        suppressions.suppress(
            tx,
            counter.keys.address_hash("bo@example.com"),
            subscriber_id=None,
            reason=SuppressReason.OPERATOR,
            detail="",
            now=counter.now,
        )
    erased(counter)
    with counter.store.write() as tx:
        make_subscription(tx, publications.get(tx, "morning"), "bo@example.com")

    assert sent_to(counter, day=24) == (1, [])


def test_everything_about_a_reader_is_one_document(desk: Desk):
    mine = desk.subscribed(alerts=True)
    sent_to(desk, day=23)
    token = desk.keys.sign(Purpose.PREFERENCES, mine.token_id)
    document = mydata.by_link(desk.store, desk.links, token=token, now=desk.now)
    again = json.loads(json.dumps(document))

    assert document is not None
    assert again == document
    assert again["email"] == ANN
    assert again["subscriptions"][0]["alerts"] is True
    assert [line["act"] for line in again["consents"]] == ["asked", "confirmed"]
    assert [mail["state"] for mail in again["mails"]] == ["leased"]
    assert "token" not in json.dumps(again)


def test_what_is_kept_of_somebody_erased_is_said_by_their_address_alone(counter: Desk):
    counter.subscribed()
    erased(counter)
    document = mydata.of_address(counter.store, counter.keys, email=ANN, now=counter.now)

    assert document["is_reader"] is False
    assert [item["reason"] for item in document["suppressions"]] == ["erased"]
    assert [line["act"] for line in document["consents"]] == ["asked", "confirmed", "erased"]


def test_links_of_an_erased_reader_open_nothing(counter: Desk):
    mine = counter.subscribed()
    erased(counter)
    token = counter.keys.sign(Purpose.PREFERENCES, mine.token_id)

    assert mydata.by_link(counter.store, counter.links, token=token, now=counter.now) is None
    assert not erase.erase_by_link(counter.store, counter.links, token=token, now=counter.now)
    with counter.store.read() as tx:
        assert subscriptions.by_token_id(tx, mine.token_id) is None
