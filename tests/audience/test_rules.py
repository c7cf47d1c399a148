"""Rules of segments: what they mean, where they go wrong, and that they choose the same on both databases."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from digest.audience import segmenting
from digest.audience.rules import parse
from digest.model.errors import AlreadyExists, BadInput, NotFound, NothingToDo
from digest.model.segment import FIELDS, Asked, Either, Every, Not, Op
from digest.model.subscriber import SubscriptionState
from digest.store import publications, subscribers
from digest.store.engine import Store
from digest.store.tables import delivery
from support.factories import NOW, make_publication, make_subscription
from support.readers import Desk
from support.sending import sending_issue

DE = Asked("locale", Op.IS, ("de",))
SPORT = Asked("topic", Op.IS, ("sport",))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("locale = de", DE),
        (
            "locale = de and topic = sport or alerts = yes",
            Either((Every((DE, SPORT)), Asked("alerts", Op.IS, (True,)))),
        ),
        (
            "locale = de and (topic=sport or not alerts=no)",
            Every((DE, Either((SPORT, Not(Asked("alerts", Op.IS, (False,))))))),
        ),
        ('name contains "van Gogh"', Asked("name", Op.CONTAINS, ("van Gogh",))),
        ('attribute.City = "New \\"York\\""', Asked("attribute.City", Op.IS, ('New "York"',))),
        ("domain in (gmail.com, GMX.de)", Asked("domain", Op.IN, ("gmail.com", "gmx.de"))),
        ("mailed within 4 weeks", Asked("mailed", Op.WITHIN, (timedelta(weeks=4),))),
        ("LOCALE is missing", Asked("locale", Op.MISSING)),
    ],
)
def test_a_rule_becomes_a_tree(text: str, tree: object):
    assert parse(text, cadences=["daily"], topics=["sport"]) == tree


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("", "at its end, character 1", "fields: state"),
        ("locale", "at its end, character 7", "use !=, =, contains, in, is missing"),
        ("locale = xx", "at character 10 ('xx')", "use a tag"),
        ("lokale = de", "at character 1 ('lokale')", "did you mean locale?"),
        ("topic = opera", "at character 9 ('opera')", "there are: sport"),
        ("(locale = de", "at its end, character 13", "write ) here"),
        ("locale = de locale = en", "at character 13", "and, or"),
        ("joined before yesterday", "at character 15 ('yesterday')", "2026-11-22"),
        ("mailed within ten days", "at character 15 ('ten')", "within 30 days"),
        ("alerts contains x", "at character 8 ('contains')", "it takes ="),
        ("domain in gmail.com", "at character 11", "in (one, two)"),
        ('name = "open', "at character 8", "not closed"),
        ("locale = (", "at character 10 ('(')", "double quotes"),
        ("((((((((((((((((((((((((((((((((((((((((((((((((((locale = de", "nested too deeply", "fewer"),
        ("not " * 60 + "locale = de", "nested too deeply", "fewer"),
    ],
)
def test_a_rule_that_cannot_be_read_says_where_and_what_would_do(text: str, place: str, hint: str):
    with pytest.raises(BadInput) as caught:
        parse(text, topics=["sport"])

    assert place in caught.value.message
    assert hint in caught.value.hint


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from([*FIELDS, *Op, "(", ")", "and", "or", "not", "yes", '"', "30", "days"]), max_size=12
    ).map(" ".join)
)
def test_any_text_is_a_rule_or_is_refused_in_words(text: str):
    with suppress(BadInput):  # and nothing else
        parse(text)


@pytest.fixture
def readers(store: Store) -> Desk:
    """Five readers who differ."""
    desk = Desk(store)
    with store.write() as tx:
        paper = make_publication(tx, topics=("city", "sport"))
        make_subscription(tx, paper, "ann@gmail.com", topics=("sport",))
        make_subscription(tx, paper, "bo@mail.gmail.com", topics=("city",))
        make_subscription(tx, paper, "cy@example.com")
        make_subscription(tx, paper, "di@example.com", consent_source="fair")
        for email, about in (("ann@gmail.com", {"locale": "de"}), ("cy@example.com", {"name": "O'Neil 100%"})):
            subscribers.upsert(tx, email=email, email_norm=email, now=NOW, **about)
        person = subscribers.Person("di@example.com", "di@example.com", attributes={"city": "Rome", "plan": "a b"})
        subscribers.upsert_many(tx, [person], now=NOW)
        make_subscription(tx, make_publication(tx, "evening"), "ed@example.com")
    return desk


CHOSEN = [
    ("state = active", "ann bo cy di"),
    ("locale = de", "ann"),
    ("not locale = de", "bo cy di"),
    ("locale != de and domain = example.com", "cy di"),
    ("domain = gmail.com", "ann"),
    ("topic = sport", "ann cy di"),
    ("topic != sport", "bo"),
    ("topic is missing", "cy di"),
    ('name contains "neil 100%"', "cy"),
    ("name contains %", "cy"),
    ("attribute.city = Rome", "di"),
    ("not attribute.city = Rome", "ann bo cy"),
    ("attribute.city is missing", "ann bo cy"),
    ('attribute.plan in ("a b", c)', "di"),
    ("source = fair or locale = de", "ann di"),
    ("joined before 2026-11-23 and alerts = no", "ann bo cy di"),
    ("joined within 1 day", ""),
    ("mailed is missing", "ann bo cy di"),
    ("mailed within 30 days", ""),
    ('name = "; DROP TABLE subscriber"', ""),
]


def test_a_rule_chooses_the_readers_it_names(readers: Desk):
    later = NOW + timedelta(days=30)
    found = [segmenting.members(readers.store, "morning", rule=rule, now=later, limit=9)[1] for rule, _ in CHOSEN]
    chosen = [" ".join(item.subscriber.email.partition("@")[0] for item in one.first) for one in found]

    assert list(zip([rule for rule, _ in CHOSEN], chosen, strict=True)) == CHOSEN
    assert [one.total for one in found] == [len(names.split()) for names in chosen]


def test_who_was_mailed_is_known_from_accepted_issues(store: Store):
    issue = sending_issue(store, 3)
    with store.write() as tx:
        at = tx.now()
        sent = update(delivery).where(delivery.c.issue_id == issue.id, delivery.c.subscriber_id == 2)
        tx.connection.execute(sent.values(state="sent", sent_at=at))
    _, recently = segmenting.members(store, "morning", rule="mailed within 2 days", now=at, limit=9)
    _, before = segmenting.members(store, "morning", rule="mailed before 2020-01-01", now=at, limit=9)

    assert [item.subscriber.id for item in recently.first] == [2]
    assert before.total == 0


def test_a_segment_is_stored_once_shown_and_removed(readers: Desk):
    made, found = segmenting.add(readers.store, "morning", name="germans", rule="locale = de", now=NOW)
    with pytest.raises(AlreadyExists):
        segmenting.add(readers.store, "morning", name="germans", rule="locale = en", now=NOW)
    text, _ = segmenting.members(readers.store, "morning", name="germans", now=NOW, limit=1)
    segmenting.remove(readers.store, "morning", name="germans", now=NOW)

    assert (made.rule, text, found.total) == ("locale = de", "locale = de", 1)
    with pytest.raises(NotFound):
        segmenting.members(readers.store, "morning", name="germans", now=NOW, limit=1)


def test_a_bulk_edit_says_whom_first_and_changes_them_when_told(readers: Desk):
    settings = {"format": "text", "deliver_at": "07:30", "locale": "fr"}
    dry = segmenting.edit(
        readers.store, "morning", rule="domain = example.com", settings=settings, now=NOW, dry_run=True
    )
    _, untouched = segmenting.members(readers.store, "morning", rule="format = text", now=NOW, limit=9)
    segmenting.edit(readers.store, "morning", rule="domain = example.com", settings=settings, now=NOW, dry_run=False)
    _, changed = segmenting.members(readers.store, "morning", rule="format = text and locale = fr", now=NOW, limit=9)

    assert (dry.total, untouched.total, changed.total) == (2, 0, 2)
    assert changed.first[0].deliver_at is not None


def test_a_bulk_edit_brings_nobody_back(readers: Desk):
    with readers.store.write() as tx:
        paper = publications.get(tx, "morning")
        make_subscription(tx, paper, "gone@example.com", state=SubscriptionState.UNSUBSCRIBED)
    with pytest.raises(NothingToDo):
        segmenting.edit(
            readers.store,
            "morning",
            rule="state = unsubscribed",
            settings={"state": "active"},
            now=NOW,
            dry_run=False,
        )
    with pytest.raises(BadInput):
        segmenting.edit(
            readers.store, "morning", rule="locale = de", settings={"state": "pending"}, now=NOW, dry_run=False
        )
