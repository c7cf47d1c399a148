"""Everything the ledger has of one article, for people who look at it: `digest article show`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from digest.app.editing import find
from digest.model.article import Article, Editing
from digest.model.image import ImageSize, OwnImage
from digest.store import articles, editing, images, publications, stories
from digest.store.articles import Sighting
from digest.store.engine import Store


@dataclass(frozen=True, slots=True)
class Record:
    """An article with what surrounds it.

    ``story``: the other articles of its story, oldest first. ``decisions``: what editors decided, by publication.
    ``images``: our own copies of its picture.
    """

    article: Article
    sightings: tuple[Sighting, ...]
    story: tuple[Article, ...]
    decisions: Mapping[str, Editing]
    images: Mapping[ImageSize, OwnImage]


def record_of(store: Store, ref: str) -> Record:
    """What is on record about the article with an id or at an address. Raises NotFound."""
    with store.read() as tx:
        article = find(tx, ref)
        place = stories.places(tx, [article.id]).get(article.id)
        others = [key for key in stories.members(tx, place.story_id) if key != article.id] if place else []
        decided = {one.slug: editing.of_publication(tx, one.id).get(article.id) for one in publications.list_all(tx)}
        return Record(
            article=article,
            sightings=tuple(articles.sightings(tx, article.id)),
            story=tuple(articles.by_ids(tx, others)),
            decisions={slug: one for slug, one in decided.items() if one is not None},
            images=images.of_articles(tx, [article.id]).get(article.id, {}),
        )
