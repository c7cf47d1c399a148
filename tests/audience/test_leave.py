"""Leaving by link: genuine tokens always work, forged ones never."""

from datetime import timedelta

import pytest

from digest.audience import leave
from digest.audience.leave import LeaveResult
from digest.config.secrets import Keyring, Purpose
from digest.model.errors import BadInput, NotFound
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import subscriptions
from digest.store.engine import Store
from digest.store.tables import subscriber
from support.factories import NOW, make_publication, make_subscription

KEYS = Keyring([b"k" * 32])


@pytest.fixture
def reader(store: Store) -> Subscription:
    with store.write() as tx:
        return make_subscription(tx, make_publication(tx))


def state(store: Store, reader: Subscription) -> SubscriptionState:
    with store.read() as tx:
        found = subscriptions.by_token_id(tx, reader.token_id)
    assert found is not None
    return found.state


def test_a_token_ends_its_subscription_once_and_answers_alike_again(store: Store, reader: Subscription):
    token = KEYS.sign(Purpose.UNSUBSCRIBE, reader.token_id)
    first = leave.unsubscribe_by_token(store, KEYS, token, now=NOW, how="one-click")
    again = leave.unsubscribe_by_token(store, KEYS, token, now=NOW + timedelta(days=60), how="one-click")

    assert first is not None
    assert first.undo_token
    assert (first.publication_name, first.was_active, first.email_masked) == (
        "The Morning Post",
        True,
        "r•••@example.com",
    )
    assert again == LeaveResult("The Morning Post", "morning", was_active=False, email_masked="r•••@example.com")
    assert state(store, reader) is SubscriptionState.UNSUBSCRIBED


def test_looking_a_token_up_changes_nothing(store: Store, reader: Subscription):
    token = KEYS.sign(Purpose.UNSUBSCRIBE, reader.token_id)
    seen = leave.find_by_token(store, KEYS, token=token)

    assert seen is not None
    assert seen.was_active
    assert state(store, reader) is SubscriptionState.ACTIVE


def test_forged_cut_and_foreign_tokens_do_nothing(store: Store, reader: Subscription):
    genuine = KEYS.sign(Purpose.UNSUBSCRIBE, reader.token_id)
    tokens = [
        "",
        reader.token_id,
        genuine[:-1],
        genuine.swapcase(),
        f"x{genuine}",
        f"{genuine}\u0131",
        KEYS.sign(Purpose.CONFIRM, reader.token_id),
        Keyring([b"other" * 8]).sign(Purpose.UNSUBSCRIBE, reader.token_id),
    ]
    results = [leave.unsubscribe_by_token(store, KEYS, token, now=NOW, how="one-click") for token in tokens]

    assert results == [None] * len(tokens)
    assert [leave.find_by_token(store, KEYS, token=token) for token in tokens] == [None] * len(tokens)
    assert state(store, reader) is SubscriptionState.ACTIVE


def test_a_token_signed_before_the_keys_were_rotated_still_works(store: Store, reader: Subscription):
    token = KEYS.sign(Purpose.UNSUBSCRIBE, reader.token_id)
    result = leave.unsubscribe_by_token(store, Keyring([b"n" * 32, b"k" * 32]), token, now=NOW, how="page")

    assert result is not None
    assert result.was_active


def test_a_genuine_token_of_somebody_erased_is_no_error(store: Store, reader: Subscription):
    with store.write() as tx:
        tx.connection.execute(subscriber.delete())
    token = KEYS.sign(Purpose.UNSUBSCRIBE, reader.token_id)

    assert leave.find_by_token(store, KEYS, token=token) == LeaveResult("", "", was_active=False, email_masked="")
    assert leave.unsubscribe_by_token(store, KEYS, token, now=NOW, how="page") == LeaveResult(
        "", "", was_active=False, email_masked=""
    )


def test_an_operator_ends_a_subscription_by_any_spelling_of_the_address(store: Store, reader: Subscription):
    result = leave.unsubscribe_address(store, KEYS, "morning", email="Reader@EXAMPLE.com", now=NOW, how="operator")

    assert result.was_active
    assert state(store, reader) is SubscriptionState.UNSUBSCRIBED


def test_an_address_that_never_subscribed_is_not_found(store: Store, reader: Subscription):
    with pytest.raises(NotFound, match="is not subscribed to 'morning'"):
        leave.unsubscribe_address(store, KEYS, "morning", email="stranger@example.com", now=NOW, how="operator")
    with pytest.raises(BadInput, match="is not an e-mail address"):
        leave.unsubscribe_address(store, KEYS, "morning", email="stranger", now=NOW, how="operator")
