"""The issues of a publication as feeds: Atom (RFC 4287) at ``feed.xml``, JSON Feed 1.1 at ``feed.json``.

Rules: only where the archive is public; the newest issues, each with its headlines and teasers and a link to its web
view, never anything of a reader. Feed readers ask often, so an unchanged feed is answered with 304 (RFC 9110 §13).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lxml import etree
from markupsafe import Markup, escape

from digest.compose.context import Brief, DigestContext, Story
from digest.model.publication import Publication
from digest.store.archive import Published

_ATOM = "http://www.w3.org/2005/Atom"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
#: What XML 1.0 cannot hold even as a reference (§2.2); texts come from everywhere.
_NOT_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF))


@dataclass(frozen=True, slots=True)
class Feed:
    """A publication and its newest issues with what they hold. ``home_url`` has no slash at its end."""

    publication: Publication
    home_url: str
    issues: Sequence[tuple[Published, DigestContext | None]]

    @property
    def updated_at(self) -> datetime:
        """When the newest issue went out; of an empty feed when the publication was made."""
        return self.issues[0][0].sent_at if self.issues else self.publication.created_at


def atom(feed: Feed) -> bytes:
    """The feed as Atom. Ids are web addresses: they stay as long as the site keeps its name."""
    root = etree.Element(f"{{{_ATOM}}}feed", nsmap={None: _ATOM})  # type: ignore[dict-item]  # None is how lxml names the default namespace
    root.set(_XML_LANG, feed.publication.locale)
    _text(root, "id", f"{feed.home_url}/feed.xml")
    _text(root, "title", feed.publication.name)
    _text(root, "updated", _instant(feed.updated_at))
    _link(root, f"{feed.home_url}/feed.xml", rel="self", type="application/atom+xml")
    _link(root, f"{feed.home_url}/archive", rel="alternate", type="text/html")
    _text(etree.SubElement(root, f"{{{_ATOM}}}author"), "name", feed.publication.sender_name)
    for published, context in feed.issues:
        entry = etree.SubElement(root, f"{{{_ATOM}}}entry")
        url = f"{feed.home_url}/{published.number}"
        _text(entry, "id", url)
        _text(entry, "title", published.subject)
        _text(entry, "published", _instant(published.sent_at))
        _text(entry, "updated", _instant(published.sent_at))
        _link(entry, url, rel="alternate", type="text/html")
        if published.preheader:
            _text(entry, "summary", published.preheader)
        _text(entry, "content", _content(context), type="html")
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def json_feed(feed: Feed) -> bytes:
    """The feed as JSON Feed 1.1."""
    items: list[dict[str, Any]] = []
    for published, context in feed.issues:
        url = f"{feed.home_url}/{published.number}"
        item = {
            "id": url,
            "url": url,
            "title": published.subject,
            "summary": published.preheader,
            "content_html": _content(context),
            "date_published": _instant(published.sent_at),
            "image": _picture(context),
        }
        items.append({key: value for key, value in item.items() if value})
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.publication.name,
        "home_page_url": f"{feed.home_url}/archive",
        "feed_url": f"{feed.home_url}/feed.json",
        "language": feed.publication.locale,
        "authors": [{"name": feed.publication.sender_name}],
        "items": items,
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def etag(body: bytes) -> str:
    """A strong validator of exactly these bytes."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def stories(context: DigestContext | None) -> Iterator[Story | Brief]:
    """Everything an issue tells, in reading order."""
    if context is None:
        return
    if context.lead is not None:
        yield context.lead
    for section in context.sections:
        yield from section.stories
    yield from context.briefs


def _content(context: DigestContext | None) -> str:
    lines = (
        [Markup("<p>{}</p>").format(context.issue.intro)] if context and context.issue and context.issue.intro else []
    )
    for story in stories(context):
        title = Markup('<a href="{}">{}</a>').format(story.url, story.title) if story.url else escape(story.title)
        teaser = Markup("<br>{}").format(story.teaser) if isinstance(story, Story) and story.teaser else ""
        source = Markup(" <em>{}</em>").format(story.source) if story.source else ""
        lines.append(Markup("<p>{}{}{}</p>").format(title, source, teaser))
    return "\n".join(lines)


def _picture(context: DigestContext | None) -> str:
    return context.lead.image.src if context and context.lead and context.lead.image else ""


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(parent: Any, name: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes).text = text.translate(_NOT_XML)


def _link(parent: Any, url: str, **attributes: str) -> None:
    etree.SubElement(parent, f"{{{_ATOM}}}link", {**attributes, "href": url})
