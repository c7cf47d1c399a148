"""Which renditions an issue needs, and how they are kept."""

from __future__ import annotations

from digest.model.issue import RenditionKey
from digest.model.subscriber import Format, SubscriptionState
from digest.store import renditions
from digest.store.engine import Store
from support.factories import NOW, make_publication, make_subscription
from support.sending import EVERYTHING, composed_issue


def test_one_key_for_each_taste_with_the_readers_behind_it(store: Store):
    with store.write() as tx:
        publication = make_publication(tx, topics=("art", "city"))
        other = make_publication(tx, "evening", topics=("city",))
        make_subscription(tx, publication, "a@example.com")
        make_subscription(tx, publication, "b@example.com")
        make_subscription(tx, publication, "c@example.com", format=Format.TEXT)
        make_subscription(tx, publication, "d@example.com", topics=("city", "art"))
        make_subscription(tx, publication, "e@example.com", topics=("art", "city"))
        make_subscription(tx, publication, "f@example.com", topics=("city",))
        make_subscription(tx, publication, "g@example.com", state=SubscriptionState.PENDING)
        make_subscription(tx, publication, "h@example.com", cadence="weekly")
        make_subscription(tx, other, "a@example.com", topics=("city",))

        assert renditions.wanted_keys(tx, publication.id, "daily") == {
            EVERYTHING: 2,
            RenditionKey((), "en", "text"): 1,
            RenditionKey(("art", "city"), "en", "html"): 2,
            RenditionKey(("city",), "en", "html"): 1,
        }


def test_a_publication_without_readers_needs_no_rendition(store: Store):
    with store.write() as tx:
        assert renditions.wanted_keys(tx, make_publication(tx).id, "daily") == {}


def test_a_rendition_is_kept_once_and_the_first_one_stays(store: Store):
    city = RenditionKey(("city",), "en", "html")
    with store.write() as tx:
        issue = composed_issue(tx, make_publication(tx))
        (kept,) = renditions.of_issue(tx, issue.id)
        ids = renditions.put(
            tx, issue.id, [(EVERYTHING, "Other", "<p>", "t"), (city, "City", "<b>ü</b>", "ü\n")], now=NOW
        )
        both = renditions.of_issue(tx, issue.id)

    assert both[0] == kept
    assert (both[1].key, both[1].subject, both[1].html, both[1].text) == (city, "City", "<b>ü</b>", "ü\n")
    assert ids == {item.key: item.id for item in both}


def test_the_web_view_is_the_rendition_for_nobody_in_particular(store: Store):
    with store.write() as tx:
        issue = composed_issue(tx, make_publication(tx))
        before = renditions.web_view(tx, issue.id)
        renditions.put(tx, issue.id, [(renditions.web_key("en"), "News", "<p>web</p>", "")], now=NOW)
        shown = renditions.web_view(tx, issue.id)

    assert before is None
    assert shown is not None
    assert shown.html == "<p>web</p>"
