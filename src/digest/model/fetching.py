"""What fetching keeps in mind of hosts, of articles' pages and of hubs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PageState(StrEnum):
    """What became of the page of an article. ``passed``: it was one too many for a first look, and is never fetched."""

    WAITING = "waiting"
    TAKEN = "taken"
    KEPT = "kept"
    FAILED = "failed"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Page:
    """The page of an article, fetched at most once. ``article_id`` None: the ledger has nothing of it yet.

    ``feed_hash`` is the content hash of what the feed said of the article when its page was asked for. ``detail``
    says in words why the page was not taken.
    """

    url_hash: str
    source_id: int
    article_id: int | None
    url: str
    feed_hash: str | None
    state: PageState
    tries: int
    detail: str
    tried_at: datetime | None


@dataclass(frozen=True, slots=True)
class HostRecord:
    """What a host told us. ``robots`` is its robots.txt, valid until ``robots_until``.

    ``robots_status`` is how it answered, None when it did not. ``refusals`` counts answers 429 in a row;
    ``held_until`` is when the host may be asked again for anything.
    """

    name: str
    refusals: int = 0
    held_until: datetime | None = None
    robots: str | None = None
    robots_status: int | None = None
    robots_until: datetime | None = None


class WebSubState(StrEnum):
    """How a subscription at a hub stands."""

    WANTED = "wanted"
    REQUESTED = "requested"
    ACTIVE = "active"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class WebSub:
    """A subscription at a hub (W3C WebSub). ``token`` is the secret part of our callback's address.

    ``next_try_at`` is when the hub is to be asked again: at 80 % of an active lease, else after a pause.
    """

    source_id: int
    token: str
    secret: str
    hub_url: str
    topic_url: str
    state: WebSubState
    next_try_at: datetime | None
    tries: int
    lease_until: datetime | None
    last_delivery_at: datetime | None
    detail: str
