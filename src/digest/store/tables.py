"""The schema: keys and constraints are the design (architecture 2.5).

What makes double sending impossible stands here as constraints: `issue` is unique per (publication, cadence,
period), `delivery` is keyed by (issue, subscriber). Everything else only saves work.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from digest.model.delivery import DeliveryState
from digest.model.image import ImageSize
from digest.model.issue import IssueState
from digest.model.mailbox import Hindrance, SuppressReason
from digest.model.notice import NoticeKind
from digest.model.subscriber import SubscriptionState
from digest.store.types import Instant, Key

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


_Closed = type[IssueState | DeliveryState | SubscriptionState | NoticeKind | SuppressReason | Hindrance | ImageSize]


def _one_of(column: str, values: _Closed) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


installation = Table(
    "installation",
    metadata,
    Column("id", String(32), primary_key=True),  # one row: which database this is, whatever its address
)

publication = Table(
    "publication",
    metadata,
    Column("id", Key, primary_key=True),
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("sender_name", Text, nullable=False),
    Column("sender_email", Text, nullable=False),
    Column("reply_to", Text),
    Column("timezone", Text, nullable=False),
    Column("locale", String(35), nullable=False),
    Column("postal_address", Text, nullable=False),
    Column("min_items", Integer, nullable=False),
    Column("max_items", Integer, nullable=False),
    Column("template", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("hold_s", Integer, nullable=False, server_default="0"),  # between composing and sending, for editors
    Column("needs_approval", Boolean, nullable=False, server_default=text("false")),
    Column("max_per_source", Integer),  # none: a fair share
    Column("max_per_section", Integer),  # none: no limit
    Column("story_days", Integer, nullable=False, server_default="7"),  # so long a carried story is not carried again
    Column("archive", String(8), nullable=False, server_default="public"),
    Column("is_indexed", Boolean, nullable=False, server_default=text("true")),
    Column("days_off", Text, nullable=False, server_default=""),  # 12-25 2026-05-01: every year, or once
    Column("theme", String(64), nullable=False, server_default="meridian"),
)

cadence = Table(
    "cadence",
    metadata,
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(32), nullable=False),
    Column("rule", String(16), nullable=False),
    Column("send_at", String(5), nullable=False),  # local wall-clock time, HH:MM
    Column("catch_up", String(16), nullable=False),
    Column("max_lateness_s", Integer, nullable=False),
    Column("day", Integer),  # of the week, 1 is Monday, or of the month; none: the first
    PrimaryKeyConstraint("publication_id", "name"),
)

topic = Table(
    "topic",
    metadata,
    Column("id", Key, primary_key=True),
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("slug", String(64), nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("publication_id", "slug"),
)

source = Table(
    "source",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("url", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("home_url", Text),
    Column("language", String(35)),
    Column("etag", Text),  # byte for byte as the server sent it, quotes and all (F1)
    Column("last_modified", Text),
    Column("body_hash", String(64)),
    Column("next_poll_at", Instant, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Column("last_success_at", Instant),
    Column("item_count", Integer, nullable=False, server_default="0"),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Instant, nullable=False),
    Column("not_before", Instant),  # a floor: nobody asks before, not even `--all` (F3, F4)
    Column("last_polled_at", Instant),
    Column("failing_since", Instant),
    Column("gone_at", Instant),
    Column("moved_to", Text),  # permanent redirects are believed when they stay (F6)
    Column("moved_since", Instant),
    Column("moved_seen", Integer, nullable=False, server_default="0"),
    Column("timezone", Text),
    Column("insecure_tls", Boolean, nullable=False, server_default=text("false")),
    Column("full_text", Boolean, nullable=False, server_default=text("true")),
    Column("last_new_at", Instant),
    Column("gaps", JSON(none_as_null=True)),  # its habit: model/health.py
    Column("children", JSON(none_as_null=True)),  # sitemaps of an index, with their validators
    UniqueConstraint("kind", "url"),
)

publication_source = Table(
    "publication_source",
    metadata,
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("source_id", ForeignKey("source.id", ondelete="CASCADE"), nullable=False),
    Column("weight", Float, nullable=False, server_default="1"),
    Column("topic_id", ForeignKey("topic.id", ondelete="SET NULL")),
    PrimaryKeyConstraint("publication_id", "source_id"),
    Index(None, "source_id"),
)

article = Table(
    "article",
    metadata,
    Column("id", Key, primary_key=True),
    Column("identity", String(64), nullable=False, unique=True),
    Column("source_id", ForeignKey("source.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("canonical_url", Text, nullable=False),
    Column("url_hash", String(64), nullable=False),  # hex SHA-256 of canonical_url, for `digest why URL`
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("content_html", Text, nullable=False),  # sanitised at storage (F26)
    Column("text", Text, nullable=False),
    Column("author", Text),
    Column("published_at", Instant),
    Column("published_is_day", Boolean, nullable=False),
    Column("updated_at", Instant),
    Column("first_seen_at", Instant, nullable=False),
    Column("image_url", Text),
    Column("image_alt", Text, nullable=False),
    Column("language", String(35)),
    Column("labels", JSON, nullable=False),
    Column("position", Integer, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("word_count", Integer, nullable=False),
    Column("is_hidden", Boolean, nullable=False, server_default=text("false")),
    Column("claimed_at", Instant),  # the date its publisher gives, where that cannot be (F18)
    Column("date_problem", String(16)),
    Column("is_rerun", Boolean, nullable=False, server_default=text("false")),  # old when it first came (F17)
    Index(None, "url_hash"),
    Index(None, "first_seen_at"),
)

sighting = Table(
    "sighting",
    metadata,
    Column("source_id", ForeignKey("source.id", ondelete="CASCADE"), nullable=False),
    Column("guid_hash", String(64), nullable=False),
    Column("article_id", ForeignKey("article.id", ondelete="CASCADE"), nullable=False),
    Column("url", Text, nullable=False),  # as the feed gave it, tracking parameters and all
    Column("seen_at", Instant, nullable=False),
    PrimaryKeyConstraint("source_id", "guid_hash"),
    Index(None, "article_id"),
)

subscriber = Table(
    "subscriber",
    metadata,
    Column("id", Key, primary_key=True),
    Column("public_id", String(16), nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("email_norm", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("locale", String(35)),
    Column("timezone", Text),
    Column("created_at", Instant, nullable=False),
    Column("attributes", JSON(none_as_null=True)),  # what other systems knew: text by name
)

subscription = Table(
    "subscription",
    metadata,
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE"), nullable=False),
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("token_id", String(16), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("cadence", String(32), nullable=False),
    Column("format", String(8), nullable=False),
    Column("consent_at", Instant),
    Column("consent_source", Text, nullable=False, server_default=""),
    Column("consent_proof", Text, nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("unsubscribed_at", Instant),
    Column("digest", Boolean, nullable=False, server_default=text("true")),  # two choices that are made apart
    Column("alerts", Boolean, nullable=False, server_default=text("false")),
    Column("deliver_at", String(5)),  # local wall-clock time, HH:MM; none: the publication's
    Column("paused_until", Instant),  # none: for good
    PrimaryKeyConstraint("subscriber_id", "publication_id"),
    _one_of("state", SubscriptionState),
    Index(None, "publication_id", "state", "cadence"),
    Index(
        "ix_subscription_paused_until",
        "paused_until",
        sqlite_where=text("paused_until IS NOT NULL"),
        postgresql_where=text("paused_until IS NOT NULL"),
    ),
)

subscription_topic = Table(
    "subscription_topic",
    metadata,
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE"), nullable=False),
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("topic_id", ForeignKey("topic.id", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("subscriber_id", "publication_id", "topic_id"),
)

issue = Table(
    "issue",
    metadata,
    Column("id", Key, primary_key=True),
    Column("publication_id", ForeignKey("publication.id"), nullable=False),
    Column("cadence", String(32), nullable=False),
    Column("period_start", Date, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("window_from", Instant),
    Column("window_to", Instant),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("number", Integer),
    Column("subject", Text),
    Column("preheader", Text),
    Column("audience", Integer),  # deliveries made at fan-out: frozen, so that the audit has something to add up to
    Column("created_at", Instant, nullable=False),
    Column("sending_at", Instant),
    Column("closed_at", Instant),
    Column("expires_at", Instant),  # from then on nothing of it goes out; set when it begins to be sent
    Column("priority", Integer, nullable=False, server_default="0"),  # 0 is bulk, more overtakes
    Column("intro", Text, nullable=False, server_default=""),  # an editor's words above the lead
    Column("hold_until", Instant),  # not sent before, unless an editor approves it
    UniqueConstraint("publication_id", "cadence", "period_start"),  # bar 1: any number of clocks, one issue
    UniqueConstraint("publication_id", "number"),
    _one_of("state", IssueState),
)

issue_candidate = Table(
    "issue_candidate",
    metadata,
    Column("issue_id", ForeignKey("issue.id", ondelete="CASCADE"), nullable=False),
    Column("article_id", ForeignKey("article.id"), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("score", Float, nullable=False),
    Column("score_parts", JSON, nullable=False),
    Column("merged_into", ForeignKey("article.id")),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("issue_id", "article_id"),
    Index(None, "article_id"),
)

issue_item = Table(
    "issue_item",
    metadata,
    Column("issue_id", ForeignKey("issue.id", ondelete="CASCADE"), nullable=False),
    Column("article_id", ForeignKey("article.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("role", String(8), nullable=False),
    Column("section", String(64), nullable=False),
    Column("section_title", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("teaser", Text, nullable=False),
    Column("also_at", JSON, nullable=False),
    PrimaryKeyConstraint("issue_id", "article_id"),
    UniqueConstraint("issue_id", "position"),
    Index(None, "article_id"),
)

# Stories: which articles tell one event, and what it takes to tell (curate.stories).

rendition = Table(
    "rendition",
    metadata,
    Column("id", Key, primary_key=True),
    Column("issue_id", ForeignKey("issue.id", ondelete="CASCADE"), nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("topics", JSON, nullable=False),
    Column("locale", String(35), nullable=False),
    Column("format", String(8), nullable=False),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("retired_at", Instant),  # an editor changed the issue since; its readers keep what they got
    Column("search_text", Text),  # of the web view only: its text as searches compare it (text.fold)
    UniqueConstraint("issue_id", "key_hash"),
)

#: Not sent, failed or skipped. The condition of `ix_delivery_open` in its own words: SQLite takes a partial index only
#: for a statement that repeats its condition as it stands (bound values prove nothing to it); test_plans.py checks it.
NOT_DONE = text("delivery.state IN ('pending', 'leased', 'sending', 'deferred', 'unknown')")

delivery = Table(
    "delivery",
    metadata,
    Column("issue_id", ForeignKey("issue.id"), nullable=False),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("rendition_id", ForeignKey("rendition.id")),  # none: nothing in the issue for this reader's topics
    Column("due_at", Instant, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("doubts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Instant),
    Column("lease", String(32)),
    Column("lease_until", Instant),
    Column("first_attempt_at", Instant),  # the Date header: the first attempt, unchanged on retry
    Column("relay", Text),
    Column("reply_code", Integer),
    Column("enhanced_code", String(16)),
    Column("reply_text", Text),
    Column("reason", String(32)),
    Column("sent_at", Instant),
    PrimaryKeyConstraint("issue_id", "subscriber_id"),  # bar 3: the fact is a row
    _one_of("state", DeliveryState),
    Index(
        "ix_delivery_open",
        "issue_id",
        "chunk",
        "subscriber_id",
        sqlite_where=text("state IN ('pending', 'leased', 'sending', 'deferred', 'unknown')"),
        postgresql_where=text("state IN ('pending', 'leased', 'sending', 'deferred', 'unknown')"),
    ),
    Index(
        "ix_delivery_lease",
        "lease",
        sqlite_where=text("lease IS NOT NULL"),
        postgresql_where=text("lease IS NOT NULL"),
    ),
    Index(None, "subscriber_id"),
)

notice = Table(
    "notice",
    metadata,
    Column("id", Key, primary_key=True),
    Column("dedupe_key", String(128), nullable=False, unique=True),  # asking twice sends once
    Column("kind", String(16), nullable=False),
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    # Known whenever the address is a subscriber's, so that erasing the subscriber erases the notice.
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE")),
    Column("email", Text, nullable=False),
    Column("language", String(35), nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("doubts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Instant),
    Column("lease", String(32)),
    Column("lease_until", Instant),
    Column("first_attempt_at", Instant),  # the Date header, as for a delivery
    Column("relay", Text),
    Column("reply_code", Integer),
    Column("enhanced_code", String(16)),
    Column("reply_text", Text),
    Column("reason", String(32)),
    Column("sent_at", Instant),
    _one_of("kind", NoticeKind),
    _one_of("state", DeliveryState),
    Index(
        "ix_notice_open",
        "id",
        sqlite_where=text("state IN ('pending', 'leased', 'sending', 'deferred', 'unknown')"),
        postgresql_where=text("state IN ('pending', 'leased', 'sending', 'deferred', 'unknown')"),
    ),
    Index(None, "subscriber_id"),
    Index(None, "created_at"),
)

event = Table(
    "event",
    metadata,
    Column("id", Key, primary_key=True),
    Column("dedupe_key", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("publication_id", ForeignKey("publication.id", ondelete="SET NULL")),
    Column("issue_id", ForeignKey("issue.id", ondelete="SET NULL")),
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="SET NULL")),
    Column("at", Instant, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "subscriber_id"),
)

quota = Table(
    "quota",
    metadata,
    Column("scope", String(128), primary_key=True),  # relay:NAME
    Column("tokens", Float, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("per_second", Float),
    Column("updated_at", BigInteger, nullable=False),  # microseconds since 1970: the one statement computes with it
    Column("day", String(10), nullable=False),  # UTC
    Column("used", Integer, nullable=False),  # of the daily quota
    Column("turn", BigInteger, nullable=False),  # counts reservations
    Column("granted", Integer, nullable=False),  # what the last one gave, for its RETURNING
)

suppression = Table(
    "suppression",
    metadata,
    # An HMAC of the normalised address, so that the row outlives the reader and names nobody (mail-standards D10)
    Column("email_hash", String(64), nullable=False),
    Column("scope", String(64), nullable=False),  # all, or publication:ID
    # Who has the address; none: nobody had it among the readers up to `compared_to`. Erasing one must reset both
    Column("subscriber_id", ForeignKey("subscriber.id")),
    Column("compared_to", BigInteger, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("until", Instant),  # none: for good
    PrimaryKeyConstraint("email_hash", "scope"),
    _one_of("reason", SuppressReason),
    Index(None, "subscriber_id"),
)

hindrance = Table(
    "hindrance",
    metadata,
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("count", Integer, nullable=False),  # in a row: an accepted mail takes the row away
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    PrimaryKeyConstraint("subscriber_id", "kind"),
    _one_of("kind", Hindrance),
)

pace = Table(
    "pace",
    metadata,
    Column("scope", String(300), primary_key=True),  # domain:PROVIDER or relay:NAME; only those in trouble have a row
    Column("window", Float),  # of a provider (model/pace.py)
    Column("held_until", Instant),
    Column("backoff_s", Integer, nullable=False),
    Column("troubles", JSON, nullable=False),  # instants: a provider's refusals, or a relay's failures in a row
    Column("troubled_at", Instant, nullable=False),
    Column("said", Text, nullable=False),
)

image = Table(
    "image",
    metadata,
    Column("hash", String(64), primary_key=True),  # hex SHA-256 of the content: its address, for good
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("content", LargeBinary, nullable=False),  # a JPEG; last, so that a row's head stays near
)

article_image = Table(
    "article_image",
    metadata,
    Column("article_id", ForeignKey("article.id", ondelete="CASCADE"), nullable=False),
    Column("size", String(8), nullable=False),
    Column("image_hash", ForeignKey("image.hash"), nullable=False),
    Column("source_url", Text, nullable=False),  # the publisher's, so that a changed one is copied again
    PrimaryKeyConstraint("article_id", "size"),
    _one_of("size", ImageSize),
    Index(None, "image_hash"),
)
