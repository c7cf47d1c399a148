"""What an issue is composed of, as it is stored: its items, their articles, and where their pictures come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from digest.app.container import Container
from digest.compose.build import addressed
from digest.compose.images import Pictures
from digest.model.article import Article
from digest.model.issue import Issue, IssueItem
from digest.store import articles, images, issues
from digest.store.engine import Tx


@dataclass(frozen=True, slots=True)
class Material:
    """``articles``: article id → article, with an address to read it at."""

    items: Sequence[IssueItem]
    articles: Mapping[int, Article]
    pictures: Pictures


def material(tx: Tx, container: Container, issue: Issue) -> Material:
    """The material of a curated issue; without items where editors have taken everything out of it."""
    items = issues.items(tx, issue.id)
    base_url = container.settings.site.base_url
    stored = articles.by_ids(tx, [item.article_id for item in items])
    known = addressed(stored, base_url=base_url, slug=issue.publication_slug)
    own = images.of_articles(tx, known)
    return Material(items, known, Pictures(container.settings.image_mode, own, base_url))
