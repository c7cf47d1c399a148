"""Adding one reader."""

from datetime import timedelta

import pytest

from digest.audience import subscribe
from digest.audience.application import Request
from digest.audience.subscribe import Added
from digest.model.errors import BadInput, NotFound
from digest.model.subscriber import SubscriptionState
from digest.store import subscribers, subscriptions
from digest.store.engine import Store
from digest.store.enrolment import Enrolment
from support.factories import NOW, make_publication
from support.readers import KEYS

LATER = NOW + timedelta(days=2)


@pytest.fixture
def morning(store: Store) -> Store:
    with store.write() as tx:
        make_publication(tx, topics=("city", "sport"))
    return store


def add(store: Store, *, resubscribe: bool = False, **texts: object) -> Added:
    request = Request(**({"email": "ann@example.com", "status": "active"} | texts))  # type: ignore[arg-type]  # texts
    return subscribe.add(
        store, "morning", request=request, how="operator", keyring=KEYS, now=NOW, resubscribe=resubscribe
    )


def test_an_operators_word_is_consent_from_now(morning: Store):
    added = add(morning)

    assert added.outcome is Enrolment.CREATED
    assert added.subscription.state is SubscriptionState.ACTIVE
    assert (added.subscription.consent_at, added.subscription.consent_source) == (NOW, "operator")


def test_one_who_has_to_confirm_has_not_consented_yet(morning: Store):
    added = add(morning, status="pending", consent_source="fair")

    assert added.subscription.state is SubscriptionState.PENDING
    assert (added.subscription.consent_at, added.subscription.consent_source) == (None, "fair")


def test_one_who_left_is_brought_back_only_by_the_operators_explicit_word(morning: Store):
    token = add(morning).subscription.token_id
    with morning.write() as tx:
        subscriptions.unsubscribe(tx, token_id=token, now=NOW, how="page")
    kept = add(morning)
    back = add(morning, resubscribe=True)

    assert (kept.outcome, kept.subscription.state) == (Enrolment.KEPT_UNSUBSCRIBED, SubscriptionState.UNSUBSCRIBED)
    assert (back.outcome, back.subscription.state) == (Enrolment.UPDATED, SubscriptionState.ACTIVE)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"email": "ann"}, "'ann' is not an e-mail address"),
        ({"timezone": "Mars/Base"}, "'Mars/Base' is not a time zone"),
        ({"locale": "xx"}, "'xx' is not a locale"),
        ({"cadence": "hourly"}, "no cadence 'hourly'"),
        ({"topics": ("opera",)}, "no topic 'opera'"),
        ({"name": "A\udcff"}, "holds a control character"),
    ],
)
def test_bad_words_store_nothing(morning: Store, texts: dict[str, object], message: str):
    with pytest.raises(BadInput) as caught:
        add(morning, **texts)

    assert message in caught.value.message
    with morning.read() as tx:
        assert subscribers.count(tx) == 0


def test_an_unknown_publication_names_the_known_ones(morning: Store):
    with pytest.raises(NotFound) as caught:
        subscribe.add(morning, "evening", request=Request("ann@example.com"), how="operator", keyring=KEYS, now=NOW)

    assert caught.value.hint == "known publications: morning"
