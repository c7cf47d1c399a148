"""Which picture a story shows: our own copy, the publisher's, or none.

Rules: with own copies nothing is ever fetched from the publisher by a reader's mail client, so a story whose copy is
missing has no picture. A publisher's picture is shown only where mail clients show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from digest.compose.context import Image
from digest.model.article import Article
from digest.model.image import ImageMode, ImageSize, OwnImage
from digest.model.issue import IssueItem, Role
from digest.text.wording import clamp, one_line

_ALT_LIMIT = 160
_NOT_FOR_MAIL = (".svg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ico")


@dataclass(frozen=True, slots=True)
class Pictures:
    """How an issue shows pictures. ``own``: article id → size → our copy, served below ``base_url``."""

    mode: ImageMode = ImageMode.REMOTE
    own: Mapping[int, Mapping[ImageSize, OwnImage]] = field(default_factory=dict)
    base_url: str = ""

    def of(self, article: Article, size: ImageSize) -> Image | None:
        """The picture of an article in the place that ``size`` names."""
        if self.mode is ImageMode.REMOTE:
            return _remote(article)
        copy = self.own.get(article.id, {}).get(size) if self.mode is ImageMode.OWN else None
        if copy is None:
            return None
        return Image(self.base_url.rstrip("/") + copy.path, _alt(article), copy.width, copy.height)


def wanted(items: Sequence[IssueItem]) -> dict[int, tuple[ImageSize, ...]]:
    """Article id → sizes that some rendition of the issue can need.

    A reader of some topics gets the first item of one of them as lead (`compose.build.chosen`): every section's first
    item is needed in both sizes.
    """
    found: dict[int, list[ImageSize]] = {}
    begun: set[str] = set()
    for item in sorted(items, key=lambda item: item.position):
        is_first = item.section not in begun
        begun.add(item.section)
        sizes = found.setdefault(item.article_id, [])
        if is_first or item.role is Role.LEAD:
            sizes.append(ImageSize.LEAD)
        if item.role is not Role.BRIEF:
            sizes.append(ImageSize.THUMB)
    return {article_id: tuple(sizes) for article_id, sizes in found.items() if sizes}


def missing(
    articles: Iterable[Article],
    sizes: Mapping[int, tuple[ImageSize, ...]],
    have: Mapping[tuple[int, ImageSize], str],
) -> dict[int, tuple[str, tuple[ImageSize, ...]]]:
    """Article id → (its picture's address, sizes still to make). ``have``: (article id, size) → address copied from."""
    found = {}
    for article in articles:
        url = article.image_url or ""
        todo = tuple(size for size in sizes.get(article.id, ()) if have.get((article.id, size)) != url)
        if todo and url.lower().startswith(("http://", "https://")):
            found[article.id] = (url, todo)
    return found


def _remote(article: Article) -> Image | None:
    """The publisher's, if mail clients show it: https only, and no format that Outlook or Gmail leaves blank."""
    src = one_line(article.image_url or "").replace(" ", "%20")
    try:
        is_unfit = urlsplit(src).path.lower().endswith(_NOT_FOR_MAIL)
    except ValueError:  # "https://[broken"
        return None
    if is_unfit or not src.lower().startswith("https://"):
        return None
    return Image(src, _alt(article))


def _alt(article: Article) -> str:
    return clamp(one_line(article.image_alt), _ALT_LIMIT)
