"""The tables of the ledger beside the articles themselves: what they are known by, their stories, editors' decisions.

A module of its own beside `store.tables` and of the same schema.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from digest.store.tables import metadata
from digest.store.types import Instant, Key

#: Everything an article is known by: the rungs of the identity ladder (F16), each hashed with its scope.
article_key = Table(
    "article_key",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("article_id", ForeignKey("article.id", ondelete="CASCADE"), nullable=False),
    Index(None, "article_id"),
)

#: What an editor of a publication decided about an article, for its next issues.
editing = Table(
    "editing",
    metadata,
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("article_id", ForeignKey("article.id", ondelete="CASCADE"), nullable=False),
    Column("pin", Integer),  # 0 is the first place
    Column("is_hidden", Boolean, nullable=False, server_default=text("false")),
    Column("is_recalled", Boolean, nullable=False, server_default=text("false")),
    Column("teaser", Text),
    Column("changed_at", Instant, nullable=False),
    PrimaryKeyConstraint("publication_id", "article_id"),
    Index(None, "article_id"),
)

article_story = Table(
    "article_story",
    metadata,
    Column("article_id", ForeignKey("article.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column(
        "story_id", Key, nullable=False
    ),  # id of the article that began it; no key: that one may go, the story stays
    Column("copy_of", Key),  # lowest article id among the copies of one report; none where it stands alone
    Column("language", String(8), nullable=False),  # primary subtag, "" where it is not known
    Column("content_hash", String(64), nullable=False),  # of the text that was counted
    Column("counted_on", Date, nullable=False),  # the day of term_day that has it
    Column("terms", LargeBinary, nullable=False),  # text.terms.TermCounts; emptied when no story reaches so far back
    Index(None, "story_id"),
    Index(None, "counted_on"),
)

term_day = Table(
    "term_day",
    metadata,
    Column("day", Date, nullable=False),
    Column("language", String(8), nullable=False),
    Column("articles", Integer, nullable=False),  # how many were counted
    Column("terms", LargeBinary, nullable=False),  # in how many of them each term stood
    PrimaryKeyConstraint("day", "language"),
)
