"""Third stage. Reads an issue's items and articles; gives its renditions, one for each key; writes nothing.

Rules: readers with equal taste share a rendition, so the work grows with keys, not with readers. Nobody is
mailed an empty digest: a key whose topics leave no item is reported, not rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from jinja2 import Environment

from digest.compose.budget import fit
from digest.compose.build import build_context, chosen, topics_of
from digest.compose.environment import words_of
from digest.compose.images import Pictures
from digest.compose.kinds import MailKind
from digest.compose.render import Rendered, render
from digest.model.article import Article
from digest.model.issue import Issue, IssueItem, RenditionKey
from digest.model.publication import Publication, is_alert
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
    words = words_of(env)
    done: list[RenderedRendition] = []
    empty: list[RenditionKey] = []
    for key in dict.fromkeys(keys):
        if not chosen(items, topics_of(issue, key)):
            empty.append(key)
            continue
        context = build_context(
            publication,
            issue,
            items,
            articles,
            key=key,
            base_url=base_url,
            pictures=pictures,
            t=words.translator(key.locale or publication.locale),
        )
        draw = partial(render, env=env, template=_template(publication, issue))
        rendered = draw(context) if key.format == Format.TEXT else fit(context, draw=draw).rendered
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
        publication,
        issue,
        items,
        articles,
        key=key,
        base_url=base_url,
        personal=False,
        pictures=pictures,
        t=words_of(env).translator(publication.locale),
    )
    return render(context, env=env, template=_template(publication, issue))


def _template(publication: Publication, issue: Issue) -> str:
    """The folder of an issue's templates: a publication may have one of its own for the digest."""
    return MailKind.ALERT.value if is_alert(issue.cadence) else publication.template
