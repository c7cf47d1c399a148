"""Subscribing and leaving in the store: leaving is final until an operator says otherwise."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from digest.model.errors import BadInput
from digest.model.event import EventKind
from digest.model.subscriber import Format, SubscriptionState
from digest.store import events, subscribers, subscribing, subscriptions
from digest.store.engine import Store, Tx
from digest.store.enrolment import Consent, Enrolment, Terms, Wish, merge
from digest.store.subscribers import Person
from support.factories import NOW, make_publication, make_subscriber, make_subscription

LATER = NOW + timedelta(days=1)
ACTIVE, PENDING, PAUSED, UNSUBSCRIBED = (
    SubscriptionState.ACTIVE,
    SubscriptionState.PENDING,
    SubscriptionState.PAUSED,
    SubscriptionState.UNSUBSCRIBED,
)


def wish(tx: Tx, key: int, publication_id: int, *, resubscribe: bool = False, what: Wish) -> Enrolment:
    done = subscribing.subscribe_many(
        tx,
        publication_id,
        wishes={key: what},
        default_cadence="daily",
        how="test",
        now=LATER,
        resubscribe=resubscribe,
    )
    return done[key]


def kinds(tx: Tx, subscriber_id: int) -> list[EventKind]:
    return [item.kind for item in reversed(events.of_subscriber(tx, subscriber_id, limit=99))]


def test_a_new_subscription_is_stored_with_its_topics_and_consent(store: Store):
    with store.write() as tx:
        publication = make_publication(tx, topics=("city", "sport"))
        reader = make_subscriber(tx)
        outcome = subscriptions.subscribe(
            tx,
            reader.id,
            publication_id=publication.id,
            state=PENDING,
            cadence="daily",
            format=Format.TEXT,
            topics=("sport", "city"),
            consent_at=NOW,
            consent_source="form",
            consent_proof="192.0.2.1",
            now=NOW,
        )
        made = subscriptions.get(tx, reader.id, publication_id=publication.id)
        proofs = subscriptions.consent_proofs(tx, publication.id, [reader.id])

    assert outcome is Enrolment.CREATED
    assert made is not None
    assert (made.subscriber, made.state, made.format, made.topics) == (reader, PENDING, Format.TEXT, ("city", "sport"))
    assert (made.consent_at, made.consent_source, proofs[reader.id]) == (NOW, "form", "192.0.2.1")


def test_subscribing_again_with_the_same_words_changes_nothing(store: Store):
    with store.write() as tx:
        publication = make_publication(tx, topics=("city",))
        first = make_subscription(tx, publication, topics=("city",))
        outcome = subscriptions.subscribe(
            tx,
            first.subscriber.id,
            publication_id=publication.id,
            cadence="daily",
            topics=("city",),
            consent_at=LATER,
            consent_source="other",
            now=LATER,
        )
        again = subscriptions.by_token_id(tx, first.token_id)

        assert outcome is Enrolment.UNCHANGED
        assert again == first
        assert kinds(tx, first.subscriber.id) == [EventKind.SUBSCRIBED]


def test_topics_are_replaced_and_an_empty_choice_means_all(store: Store):
    with store.write() as tx:
        publication = make_publication(tx, topics=("city", "sport"))
        made = make_subscription(tx, publication, topics=("city",))
        key = made.subscriber.id
        outcomes = []
        chosen = []
        for topics in (("sport",), (), None):
            outcomes.append(wish(tx, key, publication.id, what=Wish(topics=topics)))
            now = subscriptions.by_token_id(tx, made.token_id)
            chosen.append(now and now.topics)

    assert outcomes == [Enrolment.UPDATED, Enrolment.UPDATED, Enrolment.UNCHANGED]
    assert chosen == [("sport",), (), ()]


def test_an_unknown_topic_is_refused_with_the_known_ones_named(store: Store):
    with store.write() as tx:
        publication = make_publication(tx, topics=("city", "sport"))
        make_publication(tx, "evening", topics=("theatre",))
        reader = make_subscriber(tx)

        with pytest.raises(BadInput, match="'theatre'") as caught:
            wish(tx, reader.id, publication.id, what=Wish(topics=("city", "theatre")))

    assert caught.value.hint == "known topics: city, sport"


@pytest.mark.parametrize(
    ("stored", "asked", "resubscribe", "after"),
    [
        (UNSUBSCRIBED, ACTIVE, False, None),
        (UNSUBSCRIBED, PENDING, False, None),
        (UNSUBSCRIBED, None, False, None),
        (UNSUBSCRIBED, ACTIVE, True, ACTIVE),
        (UNSUBSCRIBED, PENDING, True, PENDING),
        (PAUSED, ACTIVE, False, PAUSED),
        (PAUSED, ACTIVE, True, ACTIVE),
        (PENDING, None, False, PENDING),
        (PENDING, ACTIVE, False, ACTIVE),
        (ACTIVE, PENDING, False, ACTIVE),
        (ACTIVE, PAUSED, False, PAUSED),
        (ACTIVE, UNSUBSCRIBED, False, UNSUBSCRIBED),
        (PAUSED, UNSUBSCRIBED, False, UNSUBSCRIBED),
    ],
)
def test_a_wish_starts_mail_only_for_those_who_did_not_stop_it(
    stored: SubscriptionState,
    asked: SubscriptionState | None,
    resubscribe: bool,  # noqa: FBT001 - a parameter of the table above
    after: SubscriptionState | None,
):
    left_at = NOW if stored is UNSUBSCRIBED else None
    terms = Terms(stored, "daily", Format.HTML, NOW, "form", "", unsubscribed_at=left_at)
    merged = merge(terms, Wish(state=asked), resubscribe=resubscribe, now=LATER)

    if after is None:
        assert merged is None
    else:
        assert merged is not None
        assert merged.state is after
        assert merged.unsubscribed_at == (LATER if after is UNSUBSCRIBED else None)


def test_somebody_who_left_is_reported_and_nothing_of_the_subscription_changes(store: Store):
    with store.write() as tx:
        publication = make_publication(tx, topics=("city",))
        made = make_subscription(tx, publication)
        subscriptions.unsubscribe(tx, token_id=made.token_id, now=NOW, how="page")
        left = subscriptions.by_token_id(tx, made.token_id)
        what = Wish(state=ACTIVE, format=Format.TEXT, topics=("city",), consent=Consent(LATER, "list"))
        outcome = wish(tx, made.subscriber.id, publication.id, what=what)

        assert outcome is Enrolment.KEPT_UNSUBSCRIBED
        assert subscriptions.by_token_id(tx, made.token_id) == left


def test_repeating_an_unsubscribed_row_is_no_change(store: Store):
    with store.write() as tx:
        publication = make_publication(tx)
        made = make_subscription(tx, publication, state=UNSUBSCRIBED)
        outcome = wish(tx, made.subscriber.id, publication.id, what=Wish(state=UNSUBSCRIBED))

        assert outcome is Enrolment.UNCHANGED
        assert kinds(tx, made.subscriber.id) == [EventKind.UNSUBSCRIBED]


def test_coming_back_keeps_the_link_and_records_the_new_consent(store: Store):
    with store.write() as tx:
        publication = make_publication(tx)
        made = make_subscription(tx, publication)
        subscriptions.unsubscribe(tx, token_id=made.token_id, now=NOW, how="page")
        what = Wish(state=ACTIVE, consent=Consent(LATER, "phone"))
        wish(tx, made.subscriber.id, publication.id, what=what, resubscribe=True)
        back = subscriptions.by_token_id(tx, made.token_id)

        assert back is not None
        assert (back.state, back.consent_at, back.consent_source) == (ACTIVE, LATER, "phone")
        assert kinds(tx, made.subscriber.id) == [EventKind.SUBSCRIBED, EventKind.UNSUBSCRIBED, EventKind.SUBSCRIBED]


def test_leaving_twice_is_one_change_and_one_event(store: Store):
    with store.write() as tx:
        publication = make_publication(tx)
        made = make_subscription(tx, publication)
        first = subscriptions.unsubscribe(tx, token_id=made.token_id, now=NOW, how="one-click")
        second = subscriptions.unsubscribe(
            tx, subscriber_id=made.subscriber.id, publication_id=publication.id, now=LATER, how="operator"
        )
        left = subscriptions.by_token_id(tx, made.token_id)
        told = events.of_subscriber(tx, made.subscriber.id, limit=9)

    assert (first, second) == (True, False)
    assert left is not None
    assert (left.state, left.unsubscribed_at) == (UNSUBSCRIBED, NOW)
    assert [item.detail for item in told if item.kind is EventKind.UNSUBSCRIBED] == ["one-click"]


def test_of_many_clicks_at_once_one_changes_the_subscription(store: Store):
    with store.write() as tx:
        made = make_subscription(tx, make_publication(tx))

    def click(number: int) -> bool:
        with store.write() as tx:
            return subscriptions.unsubscribe(
                tx, token_id=made.token_id, now=NOW + timedelta(seconds=number), how="one-click"
            )

    with ThreadPoolExecutor(4) as pool:
        changed = list(pool.map(click, range(8)))

    assert sorted(changed) == [False] * 7 + [True]


def test_leaving_one_publication_leaves_the_other_alone(store: Store):
    with store.write() as tx:
        morning, evening = make_publication(tx), make_publication(tx, "evening")
        made = make_subscription(tx, morning)
        make_subscription(tx, evening)
        subscriptions.unsubscribe(tx, token_id=made.token_id, now=NOW, how="page")
        states = {item.publication_slug: item.state for item in subscriptions.of_subscriber(tx, made.subscriber.id)}
        counted = subscriptions.counts(tx, evening.id)

    assert states == {"evening": ACTIVE, "morning": UNSUBSCRIBED}
    assert counted == {PENDING: 0, ACTIVE: 1, PAUSED: 0, UNSUBSCRIBED: 0}


def test_pages_of_subscriptions_join_up(store: Store):
    with store.write() as tx:
        publication = make_publication(tx)
        made = [make_subscription(tx, publication, f"reader{number}@example.com") for number in range(5)]
        make_subscription(tx, make_publication(tx, "evening"), "stranger@example.com")
        first = subscriptions.page(tx, publication.id, limit=3)
        rest = subscriptions.page(tx, publication.id, limit=3, after=first[-1].subscriber.id)

    assert first + rest == made


def test_two_imports_at_once_make_each_subscription_once(store: Store):
    with store.write() as tx:
        publication = make_publication(tx, topics=("city",))
    addresses = [f"reader{number:03}@example.com" for number in range(200)]

    def enrol(order: list[str]) -> int:
        with store.write() as tx:
            people = subscribers.upsert_many(tx, [Person(item, item) for item in order], now=NOW)
            done = subscribing.subscribe_many(
                tx,
                publication.id,
                wishes={people[item].id: Wish(topics=("city",)) for item in order},
                default_cadence="daily",
                how="test",
                now=NOW,
            )
            return list(done.values()).count(Enrolment.CREATED)

    with ThreadPoolExecutor(2) as pool:
        created = list(pool.map(enrol, [addresses, addresses[::-1]]))
    with store.read() as tx:
        stored = subscriptions.page(tx, publication.id, limit=999)

    assert sum(created) == 200
    assert sorted(item.subscriber.email for item in stored) == addresses
    assert {item.topics for item in stored} == {("city",)}


def test_an_event_told_twice_is_stored_once(store: Store):
    with store.write() as tx:
        reader = make_subscriber(tx)
        stored = [
            events.append(tx, EventKind.BOUNCED, dedupe_key="report-1", at=NOW, subscriber_id=reader.id)
            for _ in range(2)
        ]

        assert stored == [True, False]
        assert kinds(tx, reader.id) == [EventKind.BOUNCED]
