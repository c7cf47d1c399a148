"""Every run that fetches ends with the stories of what came in: the clock's, a person's, and a saved file's."""

from __future__ import annotations

from pathlib import Path

from digest.app import clock
from digest.app.collecting import collect, tell_stories
from digest.collect.check import add_source
from digest.model.article import SourceKind
from digest.model.story import Place
from digest.store import articles, sources, stories
from digest.store.engine import Store
from support.factories import NOW, make_publication
from support.feeddocs import rss, rss_item
from support.feedserver import serving
from support.sending import make_container


def placed(store: Store) -> dict[str, Place]:
    """Address → place, of all articles that have one."""
    with store.read() as tx:
        found = {one.id: one.url for one in articles.list_recent(tx)}
        return {found[key]: place for key, place in stories.places(tx, found).items()}


async def test_a_run_over_two_sources_tells_one_story_of_both(store: Store):
    async with serving() as server:
        container = make_container(store, collect={"allow_private_networks": True, "full_text": False})
        with store.write() as tx:
            publication = make_publication(tx)
        for key in (1, 2):
            address = server.rule(f"/paper{key}", rss(rss_item(key, title="Night trains are back", pubDate="")))
            await add_source(store, publication.id, address, settings=container.settings, now=NOW)

        reports = await collect(container, publication.id, now=NOW, all_sources=True)

    assert [report.new for report in reports] == [1, 1]
    first, copy = (placed(store)[f"https://news.example.com/{key}.html"] for key in (1, 2))
    assert (copy.story_id, copy.copy_of) == (first.story_id, first.story_id)
    assert tell_stories(store, now=NOW) == 0, "nothing was left to tell"


async def test_stories_are_told_by_the_language_of_the_words_and_not_of_the_template(store: Store):
    german = "Der Stadtrat hat am Dienstag beschlossen, das alte Hafenbad im Frühjahr wieder zu öffnen. " * 3
    async with serving() as server:
        container = make_container(store, collect={"allow_private_networks": True, "full_text": False})
        with store.write() as tx:
            publication = make_publication(tx)
        document = rss(rss_item(1, description=german, pubDate="")).replace(
            b"<channel>", b"<channel><language>en-US</language>", 1
        )
        address = server.rule("/paper", document)
        await add_source(store, publication.id, address, settings=container.settings, now=NOW)
        await collect(container, publication.id, now=NOW, all_sources=True)

    with store.read() as tx:
        assert [language for language, _, _ in stories.counts(tx, since=NOW.date())] == ["de"]


async def test_what_the_clock_fetches_between_issues_has_a_story(store: Store, tmp_path: Path):
    note = tmp_path / "ferry.md"
    note.write_text("# The ferry sails again\n\nAfter three weeks of strikes the first one left at noon.\n")
    container = make_container(store)
    with store.write() as tx:
        publication = make_publication(tx)
        source = sources.add(tx, SourceKind.FILE, url=str(note), title="Desk", now=NOW)
        sources.link(tx, publication.id, source.id)

    assert await clock.poll(container, lambda: NOW) == 1
    assert len(placed(store)) == 1
