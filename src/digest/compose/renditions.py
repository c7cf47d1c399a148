"""Third stage. Reads an issue's items and articles; gives its renditions, one for each key; writes nothing.

Rules: readers with equal taste share a rendition, so the work grows with keys, not with readers. Nobody is
mailed an empty digest: a key whose topics leave no item is reported, not rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment

from digest.compose.build import build_context, chosen
from digest.compose.images import Pictures
from digest.compose.render import Rendered, render
from digest.model.article import Article
from digest.model.issue import Issue, IssueItem, RenditionKey
from digest.model.publication import Publication
from digest.model.subscriber import Format


@dataclass(frozen=True, slots=True)
class RenderedRendition:
    """An issue composed for one key, with slots. ``html`` is ``""`` for readers who want plain text only."""

    key: RenditionKey
    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class Composed:
    """What composing gave: ``renditions`` in the order of the keys, and the keys without any item."""

    renditions: tuple[RenderedRendition, ...]
    empty_keys: tuple[RenditionKey, ...]


def renditions(
    publication: Publication,
    issue: Issue,
    items: Sequence[IssueItem],
    articles: Mapping[int, Article],
    *,
    keys: Iterable[RenditionKey],
    env: Environment,
    base_url: str,
    pictures: Pictures | None = None,
) -> Composed:
    """Compose ``issue`` for each distinct key, with the publication's template. Raises TemplateBroken."""
    done: list[RenderedRendition] = []
    empty: list[RenditionKey] = []
    for key in dict.fromkeys(keys):
        if not chosen(items, key.topics):
            empty.append(key)
            continue
        context = build_context(publication, issue, items, articles, key=key, base_url=base_url, pictures=pictures)
        rendered = render(context, env=env, template=publication.template)
        html = "" if key.format == Format.TEXT else rendered.html
        done.append(RenderedRendition(key, rendered.subject, html, rendered.text))
    return Composed(tuple(done), tuple(empty))


def web_view(
    publication: Publication,
    issue: Issue,
    items: Sequence[IssueItem],
    articles: Mapping[int, Article],
    *,
    env: Environment,
    base_url: str,
    pictures: Pictures | None = None,
) -> Rendered:
    """The issue as anyone may see it: all topics, no slot, no address, no unsubscribe link."""
    key = RenditionKey((), publication.locale, Format.HTML)
    context = build_context(
        publication, issue, items, articles, key=key, base_url=base_url, personal=False, pictures=pictures
    )
    return render(context, env=env, template=publication.template)
