"""Hubs that tell of news at once (W3C WebSub), for feeds that name one: asking them, and believing what they send.

A subscription is a row; its callback is ``site.base_url/websub/TOKEN``, and the token is its secret. Whatever becomes
of it, the feed itself is looked at daily, so a hub that forgets us costs a day at most. What a hub delivers goes the
way of everything that is fetched.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import structlog

from digest import feeds
from digest.collect.fetch import Fetched, Fetcher
from digest.collect.reports import SourceReport
from digest.collect.taking import Taken, take
from digest.collect.troubles import FetchFailed, host_of
from digest.config.settings import Settings
from digest.model.fetching import WebSub, WebSubState
from digest.store import sources, websub
from digest.store.engine import Store, Tx

log = structlog.get_logger()

PATH = "/websub"
#: What we ask for; hubs decide (WebSub §5.1).
LEASE_S = 10 * 86_400
#: Part of a lease after which it is renewed.
_RENEW_AFTER = 0.8
_FIRST_RETRY, _LONGEST_RETRY = timedelta(hours=1), timedelta(days=1)
#: The names of WebSub §7.1: hashlib's own. sha1 is what old hubs sign with, and the spec asks to take it.
_ALGORITHMS = frozenset({"sha1", "sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a hub asks at our callback to make sure that we want it (WebSub §5.3)."""

    mode: str
    topic: str
    challenge: str
    lease_s: int | None
    reason: str = ""


async def keep_up(store: Store, *, settings: Settings, now: datetime, rng: Random) -> int:
    """Ask hubs for new subscriptions and for longer leases, as they come due. Gives how many were asked."""
    waiting = await asyncio.to_thread(_due, store, now)
    if not waiting:
        return 0
    async with Fetcher(settings.collect, base_url=settings.site.base_url, clock=lambda: now) as fetcher:
        for subscription in waiting:
            await asyncio.to_thread(_note_asking, store, subscription, now=now, rng=rng)
            if failure := await _ask(fetcher, subscription, base_url=settings.site.base_url):
                await asyncio.to_thread(_note_refusal, store, subscription, failure)
    return len(waiting)


def answer(store: Store, token: str, asked: Asked, *, now: datetime) -> str | None:
    """The challenge to send back, or None for what we did not ask for (404). ``denied`` is noted and answered ""."""
    with store.write() as tx:
        found = websub.by_token(tx, token)
        if found is None:
            return None
        if asked.mode == "denied":
            detail = f"the hub refuses: {asked.reason[:200] or 'without a reason'}"
            again = now + _LONGEST_RETRY
            websub.change(tx, found.source_id, state=WebSubState.REFUSED, detail=detail, next_try_at=again)
            return ""
        if asked.mode != "subscribe" or asked.topic != found.topic_url or found.state is WebSubState.WANTED:
            return None  # we never ask to be unsubscribed: a lease that is not renewed ends
        _begin(tx, found, asked.lease_s or LEASE_S, now=now)
    return asked.challenge


def receive(
    store: Store,
    token: str,
    body: bytes,
    *,
    content_type: str,
    signature: str,
    full_text: bool,
    now: datetime,
    rng: Random,
    languages: Collection[str] = (),
) -> SourceReport | None:
    """Take what a hub delivers. None: nobody asked for it, or it is not signed as agreed, and is dropped.

    ``signature`` is the X-Hub-Signature header. Raises FeedMalformed for what is no feed.
    """
    with store.read() as tx:
        found = websub.by_token(tx, token)
        if found is None:
            return None
        source = sources.get(tx, found.source_id)
    if not is_signed(body, signature, secret=found.secret):
        log.warning("websub.forged", source=source.id)
        return None
    if source.paused or source.gone_at is not None:
        return None
    feed = feeds.parse(body, url=found.topic_url, content_type=content_type, fetched_at=now, languages=languages)
    taken = Taken(Fetched(url=source.url, body=None), [(source.url, feed)], full_text=full_text, is_delivered=True)
    report = take(store, source, taken, now=now, rng=rng)
    with store.write() as tx:
        websub.change(tx, source.id, last_delivery_at=now)
    return report


def is_signed(body: bytes, signature: str, *, secret: str) -> bool:
    """Whether ``signature`` (``method=hex``) is the HMAC of the body under the secret (WebSub §7.1)."""
    method, _, given = signature.strip().partition("=")
    if method.lower() not in _ALGORITHMS or not given.isascii():
        return False
    expected = hmac.new(secret.encode(), body, getattr(hashlib, method.lower())).hexdigest()
    return hmac.compare_digest(expected, given.strip().lower())


def _due(store: Store, now: datetime) -> list[WebSub]:
    with store.read() as tx:
        return websub.due(tx, now=now)


async def _ask(fetcher: Fetcher, subscription: WebSub, *, base_url: str) -> str:
    """Send the request (WebSub §5.1). Gives why it was not taken, "" when it was."""
    form = {
        "hub.mode": "subscribe",
        "hub.topic": subscription.topic_url,
        "hub.callback": f"{base_url}{PATH}/{subscription.token}",
        "hub.lease_seconds": str(LEASE_S),
        "hub.secret": subscription.secret,
    }
    try:
        status = await fetcher.post(subscription.hub_url, form)
    except FetchFailed as failure:
        return str(failure)
    return "" if 200 <= status < 300 else f"{host_of(subscription.hub_url)} answered {status}"


def _note_asking(store: Store, subscription: WebSub, *, now: datetime, rng: Random) -> None:
    """Before the request: hubs may verify it before they answer. Unverified, it is sent again, later and later."""
    wait = min(_FIRST_RETRY * 2 ** min(subscription.tries, 5), _LONGEST_RETRY) * rng.uniform(0.9, 1.1)
    with store.write() as tx:
        websub.change(
            tx,
            subscription.source_id,
            state=WebSubState.REQUESTED,
            tries=subscription.tries + 1,
            detail="",
            next_try_at=now + wait,
        )


def _note_refusal(store: Store, subscription: WebSub, failure: str) -> None:
    log.warning("websub.failed", source=subscription.source_id, error=failure)
    with store.write() as tx:
        current = websub.get(tx, subscription.source_id)
        if current is not None and current.state is WebSubState.REQUESTED:
            websub.change(tx, subscription.source_id, state=WebSubState.REFUSED, detail=failure)


def _begin(tx: Tx, found: WebSub, lease_s: int, *, now: datetime) -> None:
    lease = timedelta(seconds=min(max(lease_s, 60), 366 * 86_400))
    websub.change(
        tx,
        found.source_id,
        state=WebSubState.ACTIVE,
        tries=0,
        detail="",
        lease_until=now + lease,
        next_try_at=now + lease * _RENEW_AFTER,
    )
