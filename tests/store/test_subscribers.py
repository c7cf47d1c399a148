"""People's addresses in the store."""

from datetime import timedelta

from digest.model.delivery import DeliveryState
from digest.model.subscriber import SubscriptionState
from digest.store import subscribers
from digest.store.engine import Store
from digest.store.subscribers import Person
from digest.store.tables import delivery, issue, rendition
from support.factories import NOW, make_publication, make_subscriber, make_subscription


def test_two_spellings_of_an_address_are_one_subscriber_who_keeps_the_first_spelling(store: Store):
    with store.write() as tx:
        first = make_subscriber(tx, "Ann@Example.com")
        again, created = subscribers.upsert(tx, email="ann@example.com", email_norm="ann@example.com", now=NOW)

    assert not created
    assert again.id == first.id
    assert again.email == first.email


def test_what_an_upsert_leaves_out_stays(store: Store):
    with store.write() as tx:
        make_subscriber(tx, name="Ann", locale="de", timezone="Europe/Berlin")
        changed, _ = subscribers.upsert(
            tx, email="reader@example.com", email_norm="reader@example.com", locale="fr", now=NOW
        )

    assert (changed.name, changed.locale, changed.timezone) == ("Ann", "fr", "Europe/Berlin")


def test_upserting_many_tells_made_changed_and_untouched_apart(store: Store):
    with store.write() as tx:
        make_subscriber(tx, "same@example.com", name="Same")
        make_subscriber(tx, "other@example.com", name="Before")
        done = subscribers.upsert_many(
            tx,
            [
                Person("new@example.com", "new@example.com", name="New"),
                Person("other@example.com", "other@example.com", name="After"),
                Person("same@example.com", "same@example.com", name="Same"),
            ],
            now=NOW,
        )
        other = subscribers.by_norm(tx, "other@example.com")

    assert {norm: (item.created, item.changed) for norm, item in done.items()} == {
        "new@example.com": (True, False),
        "other@example.com": (False, True),
        "same@example.com": (False, False),
    }
    assert other is not None
    assert other.name == "After"


def test_a_subscriber_is_found_by_each_of_its_names_and_by_no_other(store: Store):
    with store.write() as tx:
        made = make_subscriber(tx)
    with store.read() as tx:
        found = [
            subscribers.by_norm(tx, "reader@example.com"),
            subscribers.by_id(tx, made.id),
            subscribers.by_public_id(tx, made.public_id),
        ]
        missed = [subscribers.by_norm(tx, "x"), subscribers.by_id(tx, -1), subscribers.by_public_id(tx, "x")]

    assert found == [made] * 3
    assert missed == [None] * 3


def test_pages_of_a_listing_join_up_without_gap_or_repeat(store: Store):
    with store.write() as tx:
        made = [make_subscriber(tx, f"reader{number}@example.com").id for number in range(5)]
    seen: list[int] = []
    with store.read() as tx:
        while page := subscribers.list_subscribers(tx, limit=2, after=seen[-1] if seen else 0):
            seen += [item.id for item in page]

    assert seen == made


def test_a_listing_is_filtered_by_publication_and_state_of_the_same_subscription(store: Store):
    with store.write() as tx:
        morning, evening = make_publication(tx), make_publication(tx, "evening")
        make_subscription(tx, morning, "both@example.com")
        make_subscription(tx, evening, "both@example.com", state=SubscriptionState.PENDING)
        make_subscription(tx, morning, "waiting@example.com", state=SubscriptionState.PENDING)
        make_subscriber(tx, "nothing@example.com")
    with store.read() as tx:
        pending = subscribers.list_subscribers(tx, morning.id, state=SubscriptionState.PENDING, limit=9)
        counted = [
            subscribers.count(tx),
            subscribers.count(tx, morning.id),
            subscribers.count(tx, state=SubscriptionState.PENDING),
            subscribers.count(tx, morning.id, state=SubscriptionState.PENDING),
        ]

    assert [item.email for item in pending] == ["waiting@example.com"]
    assert counted == [3, 2, 2, 1]


def test_past_deliveries_come_newest_first_with_what_the_relay_said(store: Store):
    with store.write() as tx:
        publication = make_publication(tx)
        reader = make_subscription(tx, publication).subscriber
        for day, state in enumerate((DeliveryState.SENT, DeliveryState.FAILED)):
            start = NOW.date() + timedelta(days=day)
            (issue_id,) = tx.connection.execute(
                issue.insert().values(
                    publication_id=publication.id,
                    cadence="daily",
                    period_start=start,
                    due_at=NOW,
                    state="sending",
                    number=day + 1,
                    created_at=NOW,
                )
            ).inserted_primary_key
            (rendition_id,) = tx.connection.execute(
                rendition.insert().values(
                    issue_id=issue_id,
                    key_hash="0" * 64,
                    topics=[],
                    locale="en",
                    format="html",
                    subject="News",
                    html="",
                    text="",
                    created_at=NOW,
                )
            ).inserted_primary_key
            tx.connection.execute(
                delivery.insert().values(
                    issue_id=issue_id,
                    subscriber_id=reader.id,
                    chunk=0,
                    rendition_id=rendition_id,
                    due_at=NOW,
                    state=state.value,
                    reply_code=550 if state is DeliveryState.FAILED else 250,
                )
            )
        past = subscribers.deliveries(tx, reader.id, limit=5)

    assert [(item.number, item.state, item.reply_code) for item in past] == [
        (2, DeliveryState.FAILED, 550),
        (1, DeliveryState.SENT, 250),
    ]
    assert past[0].publication_slug == "morning"
