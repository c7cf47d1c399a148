"""What an issue that went out holds, as its web view shows it: for feeds, searches and the head of the page.

Rules: nothing personal, and the same building of headlines and teasers as in the mail.
"""

from __future__ import annotations

from digest.app.container import Container
from digest.compose.build import addressed, build_context
from digest.compose.context import DigestContext
from digest.compose.images import Pictures
from digest.model.issue import RenditionKey
from digest.model.publication import Publication
from digest.model.subscriber import Format
from digest.store import articles, images, issues
from digest.store.engine import Tx


def contents(tx: Tx, container: Container, publication: Publication, issue_id: int) -> DigestContext | None:
    """The whole issue as anybody may see it; None when editors have taken everything out of it again."""
    items = issues.items(tx, issue_id)
    if not items:
        return None
    base_url = container.settings.site.base_url
    stored = articles.by_ids(tx, [item.article_id for item in items])
    known = addressed(stored, base_url=base_url, slug=publication.slug)
    own = images.of_articles(tx, known)
    return build_context(
        publication,
        issues.get(tx, issue_id),
        items,
        known,
        key=RenditionKey((), publication.locale, Format.HTML),
        base_url=base_url,
        personal=False,
        pictures=Pictures(container.settings.image_mode, own, base_url),
    )
