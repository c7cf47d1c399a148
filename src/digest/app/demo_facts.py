"""What `digest demo` is about: its cast, what happened, and whether it is as it must be. Plain data and judgement.

Rules: a check compares what arrived or is stored with what the cast asked for; it never asks the code that made it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from digest.app.demo_mails import SentMail
from digest.app.editions import Audit
from digest.app.run import RunResult
from digest.collect.refresh import SourceReport
from digest.model.article import Article
from digest.model.delivery import DeliveryState
from digest.model.issue import IssueItem
from digest.model.publication import Publication
from digest.model.subscriber import Format, SubscriptionState


@dataclass(frozen=True, slots=True)
class Reader:
    """One of the cast. ``topics`` are names, empty for every topic; ``wants`` says the taste in words."""

    email: str
    name: str
    wants: str
    topics: tuple[str, ...] = ()
    format: Format = Format.HTML
    locale: str = ""


CAST = (
    Reader("anna@example.com", "Anna Birk", "everything"),
    Reader("ben@example.org", "Ben Alder", "only Technology", topics=("Technology",)),
    Reader("clara@example.com", "Clara Finch", "everything, as plain text", format=Format.TEXT),
    Reader("dieter@example.org", "Dieter Ried", "everything, dated in German", locale="de"),
    Reader("elif@example.com", "Elif Oran", "World and Science & culture", topics=("World", "Science & culture")),
)
#: Who leaves by the one-click link.
LEAVER = "ben@example.org"
#: What the plain-text article brings along and no reader may see.
LITTER = ("Header image", "Get the harbour news", "Sign up and we", "©", "Privacy Policy")


@dataclass(frozen=True, slots=True)
class Departure:
    """What a reader's unsubscribe link did: HTTP statuses, and the subscription's state after each request."""

    email: str
    url: str
    get_status: int
    state_after_get: SubscriptionState
    post_status: int
    state_after_post: SubscriptionState
    repeated_status: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Merge:
    """A story that several sources carried: the headline that was kept, and (headline, source) of the others."""

    title: str
    source: str
    others: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SecondRun:
    """What running again came to: the refusal in words, None when there was none, and mails captured meanwhile."""

    refusal: str | None
    sent: int


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold at the end, and whether it does."""

    what: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Performance:
    """All that happened. ``notes`` is the article read from plain text; ``addresses`` are name → page."""

    folder: Path
    config: Path
    publication: Publication
    result: RunResult
    reports: tuple[SourceReport, ...]
    items: tuple[tuple[IssueItem, Article], ...]
    merges: tuple[Merge, ...]
    mails: tuple[SentMail, ...]
    departure: Departure
    second_run: SecondRun
    audit: Audit
    addresses: Mapping[str, str]

    @property
    def index(self) -> Path:
        """The page that shows every mail."""
        return self.folder / "index.html"

    @property
    def notes(self) -> Article | None:
        """The article that came as plain text: the one without an address of its own."""
        return next((article for _, article in self.items if not article.url), None)

    def mail_to(self, email: str) -> SentMail | None:
        """What one reader got."""
        return next((mail for mail in self.mails if mail.email == email), None)

    def titles_in(self, mail: SentMail) -> tuple[str, ...]:
        """The headlines of the issue that a mail carries."""
        return tuple(article.title for _, article in self.items if mail.mentions(article.title))

    def titles_for(self, reader: Reader) -> tuple[str, ...]:
        """The headlines of the issue that a reader asked for."""
        return tuple(
            article.title for item, article in self.items if not reader.topics or item.section_title in reader.topics
        )


def examine(played: Performance) -> tuple[Check, ...]:
    """Every check of a performance."""
    return (*_mail_checks(played), *_story_checks(played), *_leaving_checks(played), *_ledger_checks(played))


def _mail_checks(played: Performance) -> Iterator[Check]:
    yield Check("there is one mail for each reader, and no other", _one_each(played))
    for reader in CAST:
        mail = played.mail_to(reader.email)
        wanted = played.titles_for(reader)
        yield Check(
            f"{reader.email} got {reader.wants}: all {len(wanted)} articles of it and no other",
            mail is not None and bool(wanted) and played.titles_in(mail) == wanted,
        )
        yield Check(
            f"{reader.email} got {'plain text only' if reader.format is Format.TEXT else 'both HTML and plain text'}",
            mail is not None and (mail.html is None) == (reader.format is Format.TEXT),
        )
        yield Check(
            f"the mail to {reader.email} can be left with one click (RFC 8058)",
            mail is not None and mail.is_one_click and bool(mail.unsubscribe_url),
        )


def _one_each(played: Performance) -> bool:
    return sorted(mail.email for mail in played.mails) == sorted(reader.email for reader in CAST)


def _story_checks(played: Performance) -> Iterator[Check]:
    yield Check("the report that two feeds carry became one story", len(played.merges) == 1)
    copies = [title for merge in played.merges for title, _ in merge.others]
    yield Check("no mail tells it twice", not any(mail.mentions(title) for mail in played.mails for title in copies))
    yield Check("every source could be read", not any(report.error for report in played.reports))
    yield Check("the damage of the broken feed was noticed", any(report.warnings for report in played.reports))
    notes = played.notes
    yield Check(
        "the plain-text file became one article without author, caption, sign-up box and copyright line",
        notes is not None
        and notes.author is None
        and notes.text.count("\n\n") == 2
        and not any(litter in f"{notes.title}\n{notes.text}" for litter in LITTER),
    )


def _leaving_checks(played: Performance) -> Iterator[Check]:
    left = played.departure
    yield Check(
        "opening the unsubscribe link changed nothing",
        left.get_status == 200 and left.state_after_get is SubscriptionState.ACTIVE,
    )
    yield Check(
        "the one-click request ended the subscription",
        left.post_status == 200 and left.state_after_post is SubscriptionState.UNSUBSCRIBED,
    )
    yield Check(
        "repeating it is harmless, and everybody else stays",
        left.repeated_status == 200 and left.remaining == len(CAST) - 1,
    )


def _ledger_checks(played: Performance) -> Iterator[Check]:
    again = played.second_run
    yield Check("a second run for the same period sends nothing", again.refusal is not None and again.sent == 0)
    tally = played.audit.tally
    yield Check(
        f"the audit adds up: {len(CAST)} readers, {len(CAST)} sent",
        played.audit.is_balanced
        and tally.audience == len(CAST)
        and tally.counts[DeliveryState.SENT] == len(CAST) == len(played.mails),
    )
