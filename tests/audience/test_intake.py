"""Many rows as a set: the same end as one by one, whatever was there before, and whatever is suppressed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from digest.audience.importing import ImportReport, import_csv
from digest.mime.address import parse_address, read_plain
from digest.model.errors import BadInput
from digest.model.mailbox import SuppressReason
from digest.store import events, subscribers, suppressions
from digest.store.seen import Seen
from digest.store.tables import subscriber, subscription, subscription_topic
from support.readers import Desk

LOCAL = st.from_regex(r"[A-Za-z0-9._+=~'%-]{1,66}", fullmatch=True)
LABEL = st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True)
TOP = st.sampled_from(["com", "de", "museum", "test", "local", "Onion", "c", "c0m", "xn--p1ai", "ARPA"])
NEAR = st.builds(
    lambda local, labels, top: f"{local}@{'.'.join([*labels, top])}", LOCAL, st.lists(LABEL, max_size=4), TOP
)


@settings(max_examples=400)
@given(NEAR | st.text(alphabet="aA1.@-_+ \n\u0131é", max_size=20) | st.emails())
def test_a_plain_address_is_read_as_the_library_reads_it(text: str):
    plain = read_plain(text)
    if plain is not None:
        address = parse_address(text)

        assert plain == (address.email, address.norm)


def test_most_addresses_people_have_are_plain():
    texts = ["ann.lee+news@example.com", "A_B@mail.example.co.uk", "x@gmx.de", "1@2.example.org", "a-b@a-b.example"]

    assert None not in [read_plain(text) for text in texts]


def test_verdicts_on_the_shared_addresses(shared_data: Path):
    """No address that its origin calls invalid is taken; what is refused though valid is only what no list needs."""
    file = shared_data / "mail" / "addresses" / "addresses.json"
    rows = json.loads(file.read_text())
    taken = {row["address"]: _is_taken(row["address"]) for row in rows}
    flanker = [row for row in rows if row["source"] == "flanker"]
    wrongly = [row["address"] for row in flanker if row["category"] == "invalid" and taken[row["address"]]]
    refused = [row["address"] for row in flanker if row["category"] == "valid" and not taken[row["address"]]]

    assert wrongly == []
    assert [text for text in refused if not _is_unusual(text)] == []


def _is_taken(text: str) -> bool:
    try:
        parse_address(text)
    except BadInput:
        return False
    return True


def _is_unusual(text: str) -> bool:
    """Quoted local parts, domain literals, names without a dot or in no zone of the DNS, lengths beyond RFC 5321."""
    local, _, domain = text.rpartition("@")
    special = any(sign in text for sign in '"()[]\\ <>')
    special |= not domain.rpartition(".")[2].isalpha()
    return special or "." not in domain or len(local) > 64 or len(text) > 254 or domain.endswith((".test", ".local"))


def take(desk: Desk, text: str, **more: object) -> ImportReport:
    return import_csv(
        desk.store,
        "morning",
        file=io.BytesIO(text.encode()),
        keyring=desk.keys,
        now=desk.now,
        **more,  # type: ignore[arg-type]  # a test's
    )


def state(desk: Desk) -> list[tuple]:
    """Everything an import decides about, by address."""
    with desk.store.read() as tx:
        query = (
            select(
                subscriber.c.email,
                subscriber.c.name,
                subscriber.c.locale,
                subscriber.c.timezone,
                subscriber.c.attributes,
                subscription.c.state,
                subscription.c.cadence,
                subscription.c.format,
                subscription.c.consent_at,
                subscription.c.consent_source,
                subscription.c.consent_proof,
                subscription.c.digest,
                subscription.c.alerts,
                subscription_topic.c.topic_id,
            )
            .outerjoin(subscription, subscription.c.subscriber_id == subscriber.c.id)
            .outerjoin(subscription_topic, subscription_topic.c.subscriber_id == subscriber.c.id)
            .order_by(subscriber.c.email_norm, subscription_topic.c.topic_id)
        )
        return [tuple(str(value) for value in row) for row in tx.connection.execute(query)]


ROWS = (
    "email,name,topics,cadence,format,locale,status,consent_at,consent_source,alerts,attributes\n"
    'a@example.com,Ann,city;sport,weekly,text,de,,2025-01-01,fair,yes,"{""x"": ""1""}"\n'
    "b@example.com,,,,,,unsubscribed,,,,\n"
    "c@example.com,C,,,,,pending,,,,\n"
    "d@example.com,,sport,,,,paused,,,no,\n"
    "e@example.com,,,,,,,,,,\n"
)


def test_rows_taken_as_a_set_end_as_rows_merged_one_by_one(desk: Desk):
    """The second import goes through the rule of enrolment, the first through the statements for newcomers."""
    first = take(desk, ROWS)
    stored = state(desk)
    again = take(desk, ROWS)
    changed = take(desk, ROWS.replace("Ann", "Anna").replace(",paused,", ",active,"))

    assert first.created == 5
    assert (again.created, again.updated, again.unchanged) == (0, 0, 5)
    assert state(desk)[0][1] == "Anna"
    assert stored[0][1:4] == ("Ann", "de", "None")
    assert (changed.updated, changed.unchanged) == (1, 4)  # who paused stays so


def test_an_import_in_chunks_of_two_ends_as_one_in_a_single_chunk(desk: Desk):
    lines = (
        ROWS + "".join(f"r{number}@example.com,R,city,,,,,,,,\n" for number in range(7)) + "a@example.com,,,,,,,,,,\n"
    )
    report = take(desk, lines, chunk_rows=2)

    assert (report.created, report.refused_count) == (12, 1)
    assert report.refused[0].reason == "the same address is in line 2"
    assert len(state(desk)) == 13


def test_newcomers_get_the_event_of_their_state_and_only_they_do(desk: Desk):
    take(desk, ROWS)
    take(desk, ROWS)
    with desk.store.read() as tx:
        found = {
            one.email[0]: [event.kind.value for event in events.of_subscriber(tx, one.id, limit=9)]
            for one in subscribers.list_subscribers(tx, limit=9)
        }

    assert found == {"a": ["subscribed"], "b": ["unsubscribed"], "c": [], "d": [], "e": ["subscribed"]}


def test_a_reader_of_another_publication_is_subscribed_and_not_created_again(desk: Desk):
    desk.subscribed(email="a@example.com")
    report = import_csv(
        desk.store, "evening", file=io.BytesIO(b"email\na@example.com\n"), keyring=desk.keys, now=desk.now
    )

    assert report.created == 1
    assert len([row for row in state(desk) if row[0] == "a@example.com"]) == 2


@pytest.mark.parametrize("scope", ["all", "morning", "evening"])
def test_who_is_suppressed_is_left_out_and_counted_whether_known_or_not(desk: Desk, scope: str):
    take(desk, "email\nb@example.com\n")
    with desk.store.write() as tx:
        for email in ("a@example.com", "b@example.com"):
            suppressions.suppress(
                tx,
                desk.keys.address_hash(email),
                scope="all" if scope == "all" else f"publication:{1 if scope == 'morning' else 2}",
                subscriber_id=None,
                reason=SuppressReason.BOUNCED,
                detail="",
                now=desk.now,
            )
    report = take(desk, "email,name\na@example.com,New\nb@example.com,New\nc@example.com,New\n")
    barred = scope != "evening"

    assert report.kept_suppressed == (2 if barred else 0)
    assert (report.created, report.updated) == ((1, 0) if barred else (2, 1))
    assert [row[1] for row in state(desk) if row[0] == "b@example.com"] == ["" if barred else "New"]


def test_public_ids_and_tokens_of_an_import_are_all_different_and_of_the_usual_form(counter: Desk):
    take(counter, "email\n" + "".join(f"r{number}@example.com\n" for number in range(500)), chunk_rows=100)
    with counter.store.read() as tx:
        ids = tx.connection.execute(select(subscriber.c.public_id)).scalars().all()
        tokens = tx.connection.execute(select(subscription.c.token_id)).scalars().all()

    assert len({*ids, *tokens}) == 1000
    assert {len(one) for one in (*ids, *tokens)} == {11}
    assert all(one.replace("-", "a").replace("_", "a").isalnum() for one in (*ids, *tokens))


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=5), max_size=5))
def test_repeats_are_found_across_and_inside_chunks(chunks: list[list[str]]):
    seen, line, first, expected, found = Seen(), 0, {}, {}, {}
    for chunk in chunks:
        rows = []
        for word in chunk:
            line += 1
            rows.append((word, line))
            if first.setdefault(word, line) != line:
                expected[line] = first[word]
        found |= seen.note(rows)
    seen.close()

    assert found == expected
