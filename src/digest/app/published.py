"""What an issue that went out holds, as its web view shows it: for feeds, searches and the head of the page.

Rules: nothing personal, and the same building of headlines and teasers as in the mail.
"""

from __future__ import annotations

from digest.app.container import Container
from digest.app.material import material
from digest.compose.build import build_context
from digest.compose.context import DigestContext
from digest.model.issue import RenditionKey
from digest.model.publication import Publication
from digest.model.subscriber import Format
from digest.store import issues
from digest.store.engine import Tx


def contents(tx: Tx, container: Container, publication: Publication, issue_id: int) -> DigestContext | None:
    """The whole issue as anybody may see it; None when editors have taken everything out of it again."""
    issue = issues.get(tx, issue_id)
    made_of = material(tx, container, issue)
    if not made_of.items:
        return None
    return build_context(
        publication,
        issue,
        made_of.items,
        made_of.articles,
        key=RenditionKey((), publication.locale, Format.HTML),
        base_url=container.settings.site.base_url,
        personal=False,
        pictures=made_of.pictures,
    )
