"""The tables of fetching: what hosts told us, pages of articles, hubs, and who changed a source when.

A module of its own beside `store.tables` and of the same schema.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, Text, text

from digest.model.fetching import PageState, WebSubState
from digest.store.tables import metadata
from digest.store.types import Instant, Key

_WAITING = text("state = 'waiting'")


def _state_is_one_of(states: type[PageState | WebSubState]) -> str:
    listed = ", ".join(f"'{state}'" for state in states)
    return f"state IN ({listed})"


host = Table(
    "host",
    metadata,
    Column("name", String(300), primary_key=True),  # host:port; only those that told us something have a row
    Column("refusals", Integer, nullable=False, server_default="0"),  # answers 429 in a row
    Column("held_until", Instant),
    Column("robots", Text),  # as it came, cut at 500 KiB (RFC 9309 §2.5)
    Column("robots_status", Integer),  # none: it could not be asked
    Column("robots_until", Instant),
)

page = Table(
    "page",
    metadata,
    Column("url_hash", String(64), primary_key=True),  # hex SHA-256 of the canonical address: fetched once, for anybody
    Column("source_id", ForeignKey("source.id", ondelete="CASCADE"), nullable=False),
    Column("article_id", ForeignKey("article.id", ondelete="CASCADE")),  # none: nothing of it is in the ledger yet
    Column("url", Text, nullable=False),
    Column("feed_hash", String(64)),  # content_hash of what the feed said when the page was asked for
    Column("state", String(8), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_try_at", Instant),
    Column("tried_at", Instant),
    Column("detail", Text, nullable=False, server_default=""),
    Column("asked_at", Instant, nullable=False),
    CheckConstraint(_state_is_one_of(PageState), name="state"),
    Index("ix_page_waiting", "source_id", sqlite_where=_WAITING, postgresql_where=_WAITING),
    Index(None, "article_id"),
)

websub = Table(
    "websub",
    metadata,
    Column("source_id", ForeignKey("source.id", ondelete="CASCADE"), primary_key=True),
    Column("token", String(32), nullable=False, unique=True),  # the secret part of the callback's address
    Column("secret", String(64), nullable=False),
    Column("hub_url", Text, nullable=False),
    Column("topic_url", Text, nullable=False),
    Column("state", String(9), nullable=False),
    Column("next_try_at", Instant),  # when the hub is to be asked (again)
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("lease_until", Instant),
    Column("last_delivery_at", Instant),
    Column("detail", Text, nullable=False, server_default=""),
    CheckConstraint(_state_is_one_of(WebSubState), name="state"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(64), nullable=False),  # source:12
    Column("detail", Text, nullable=False),
    Index(None, "subject"),
)
