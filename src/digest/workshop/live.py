"""The project's own news as preview data: the last collected articles by the real selection, or a past issue.

Rules: reads, decides and forgets; nothing is kept, sent or marked (`app.editions.build`). Readers are shown by a masked
address. A picture whose own copy was not made yet is stood in for by its publisher's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest.app.container import Container
from digest.app.editions import Built, build
from digest.compose.build import addressed, build_context, chosen
from digest.compose.context import DigestContext, Image
from digest.compose.images import Pictures
from digest.curate.pick import Curation
from digest.model.article import Article
from digest.model.errors import NotFound, NothingToDo
from digest.model.image import ImageMode, ImageSize
from digest.model.issue import IssueState, RenditionKey
from digest.model.publication import Publication
from digest.model.subscriber import Format, Subscription, SubscriptionState
from digest.store import articles, images, issues, publications, subscriptions
from digest.store.engine import Tx

_COMPOSED = frozenset(
    {IssueState.COMPOSED, IssueState.APPROVED, IssueState.SENDING, IssueState.PAUSED, IssueState.SENT}
)
_LOOK_BACK = 200
_PAST_SHOWN = 12
_READERS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Offer:
    """A source beside the fixtures: what the address calls it, and what people do."""

    source: str
    label: str


@dataclass(frozen=True, slots=True)
class Taken:
    """Real data for a mail, and whose it is. ``cadence`` and ``issue_id`` are those its headers tell."""

    label: str
    context: DigestContext
    publication: Publication
    issue_id: int
    cadence: str


def offers(container: Container) -> tuple[Offer, ...]:
    """Live data of each publication, for everybody and for some readers; then past issues, newest first."""
    found: list[Offer] = []
    with container.store.read() as tx:
        for publication in publications.list_all(tx):
            found.append(Offer(f"live:{publication.id}", f"{publication.name}: next issue, all topics"))
            found += [
                Offer(
                    f"live:{publication.id}.{one.subscriber.id}",
                    f"{publication.name}: next issue, as {masked(one.subscriber.email)}{_tastes(one)}",
                )
                for one in subscriptions.page(tx, publication.id, limit=_READERS_SHOWN)
                if one.state is SubscriptionState.ACTIVE
            ]
        names = {one.id: one.name for one in publications.list_all(tx)}
        past = [one for one in issues.list_recent(tx, limit=_LOOK_BACK) if one.state in _COMPOSED][:_PAST_SHOWN]
        found += [
            Offer(f"issue:{one.id}", f"{names[one.publication_id]}, No. {one.number} ({one.state})") for one in past
        ]
    return tuple(found)


def masked(email: str) -> str:
    """An address that a reader would know as theirs and nobody else could write to: ``re…@example.com``."""
    local, _, domain = email.rpartition("@")
    return f"{local[:2] if len(local) > 2 else ''}…@{domain}"


def newest_issue(container: Container) -> str | None:
    """The newest issue that was composed, as a source; None before there is one."""
    with container.store.read() as tx:
        recent = issues.list_recent(tx, limit=_LOOK_BACK)
    found = next((one for one in recent if one.state in _COMPOSED), None)
    return f"issue:{found.id}" if found else None


def take(container: Container, source: str, *, now: datetime, locale: str = "") -> Taken:
    """The data that ``live…`` or ``issue:…`` stands for. Raises NotFound, and NothingToDo when there is no story."""
    kind, _, which = source.partition(":")
    if kind == "issue":
        return _past(container, int(which), locale)
    number, _, subscriber = which.partition(".")
    with container.store.read() as tx:
        publication = _publication(tx, number)
        reader = _reader(tx, publication, subscriber)
    built = build(container, publication.slug, now=now)
    as_whom = f", as {masked(reader.subscriber.email)}" if reader else ""
    return _taken(container, built, reader, f"next issue{as_whom}", locale)


def _past(container: Container, issue_id: int, locale: str) -> Taken:
    """An issue as it was decided."""
    with container.store.read() as tx:
        issue = issues.get(tx, issue_id)
        if issue.state not in _COMPOSED:
            raise NotFound(f"issue {issue_id} is {issue.state}: it was never composed", hint="choose another")
        publication = publications.by_id(tx, issue.publication_id)
        items = tuple(issues.items(tx, issue_id))
        known = {one.id: one for one in articles.by_ids(tx, [item.article_id for item in items])}
    built = Built(Curation(items, (), None, {}), known, issue, publication, is_trial=False)
    return _taken(container, built, None, f"No. {issue.number} ({issue.state})", locale)


def _publication(tx: Tx, number: str) -> Publication:
    known = publications.list_all(tx)
    if not known:
        raise NotFound("there is no publication yet", hint="make one: digest publication add")
    found = next((one for one in known if str(one.id) == number), None) if number else known[0]
    if found is None:
        raise NotFound(f"there is no publication {number}", hint="choose another source")
    return found


def _reader(tx: Tx, publication: Publication, number: str) -> Subscription | None:
    if not number:
        return None
    found = subscriptions.get(tx, int(number), publication_id=publication.id)
    if found is None:
        raise NotFound(f"reader {number} does not subscribe to {publication.slug}", hint="choose another reader")
    return found


def _taken(container: Container, built: Built, reader: Subscription | None, label: str, locale: str) -> Taken:
    publication, issue = built.publication, built.issue
    topics = reader.topics if reader else ()
    language = locale or (reader.subscriber.locale if reader else None) or publication.locale
    items = built.curation.items
    if not chosen(items, topics):
        why = f" ({built.curation.skip})" if built.curation.skip else ""
        raise NothingToDo(
            f"{publication.name}: {label} has no story{why}, so nothing would be sent",
            hint="collect first: digest collect; or look at the fixture “empty”",
        )
    base_url = container.settings.site.base_url
    with container.store.read() as tx:
        own = images.of_articles(tx, built.articles)
    context = build_context(
        publication,
        issue,
        items,
        addressed(built.articles.values(), base_url=base_url, slug=publication.slug),
        key=RenditionKey(tuple(topics), language, Format.HTML),
        base_url=base_url,
        pictures=_StandIn(container.settings.image_mode, own, base_url),
    )
    return Taken(f"{publication.name}, {label}", context, publication, issue.id, issue.cadence)


class _StandIn(Pictures):
    """Our own copies, and where one will be made only on the day the publisher's picture."""

    def of(self, article: Article, size: ImageSize) -> Image | None:
        found = super().of(article, size)
        if found is None and self.mode is ImageMode.OWN:
            return Pictures(ImageMode.REMOTE).of(article, size)
        return found


def _tastes(one: Subscription) -> str:
    wants = [*one.topics, *([one.subscriber.locale] if one.subscriber.locale else [])]
    return f" ({', '.join(wants)})" if wants else ""
