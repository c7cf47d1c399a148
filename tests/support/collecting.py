"""Sources, runs and what is stored afterwards, in a line each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from digest.collect.refresh import SourceReport, refresh
from digest.config.collecting import CollectSettings
from digest.config.settings import Settings
from digest.model.article import Article, Source, SourceKind
from digest.model.health import Health, health
from digest.model.publication import Publication
from digest.store import articles, sources
from digest.store.engine import Store
from support.names import Names


class Steady(Random):
    """No jitter: the middle of every range."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@dataclass(slots=True)
class Desk:
    """One publication's collecting. ``collect`` are settings of that section beside those that tests need."""

    store: Store
    publication: Publication
    settings: Settings
    names: Names | None = None
    collect: dict[str, object] = field(default_factory=dict)

    def add(self, url: str, *, now: datetime, kind: SourceKind = SourceKind.RSS, title: str = "News") -> Source:
        with self.store.write() as tx:
            source = sources.add(tx, kind, url=url, title=title, now=now)
            sources.link(tx, self.publication.id, source.id)
        return source

    async def run(self, now: datetime, *, all_sources: bool = False, rng: Random | None = None) -> list[SourceReport]:
        values = {**self.settings.collect.model_dump(), **self.collect}
        settings = self.settings.model_copy(update={"collect": CollectSettings.model_validate(values)})
        return await refresh(
            self.store,
            self.publication.id,
            settings=settings,
            now=now,
            all_sources=all_sources,
            rng=rng or Steady(),
            resolver=self.names,
        )

    def source(self, source: Source) -> Source:
        with self.store.read() as tx:
            return sources.get(tx, source.id)

    def health(self, source: Source, *, now: datetime) -> Health:
        return health(self.source(source), now=now)

    def articles(self) -> list[Article]:
        with self.store.read() as tx:
            return articles.eligible(tx, self.publication.id, None)
