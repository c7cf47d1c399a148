"""The rhythms of a publication, as an operator sets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from digest.store import publications, subscriptions
from digest.store.engine import Store
from support.factories import make_publication, make_subscription
from support.project import Said, call, settle_in

Command = Callable[..., Said]


@pytest.fixture
def digest(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    with store.write() as tx:
        make_subscription(tx, make_publication(tx), "one@example.com")
    settle_in(tmp_path, monkeypatch, store.url.render_as_string(hide_password=False))

    def command(*words: str) -> Said:
        return call(capsys, "publication", *words)

    return command


def test_a_second_rhythm_is_offered_changed_and_taken_away_with_its_readers(digest: Command, store: Store):
    said = digest("cadence", "add", "morning", "weekly", "--send-at", "08:00", "--on", "friday")
    with store.write() as tx:
        publication = publications.get(tx, "morning")
        reader = make_subscription(tx, publication, "two@example.com", cadence="weekly").subscriber
    ended = digest("cadence", "remove", "morning", "weekly", "--yes")
    with store.read() as tx:
        found = subscriptions.get(tx, reader.id, publication_id=publication.id)

    assert "daily 07:00, weekly on friday 08:00" in said.out
    assert ended.out.startswith("Ended the weekly issue; 1 reader get the daily one.")
    assert found is not None
    assert found.cadence == "daily"


def test_the_last_rhythm_stays(digest: Command):
    refused = digest("cadence", "remove", "morning", "daily", "--yes")

    assert refused.code == 2
    assert "the only one" in refused.err


def test_days_off_are_set_shown_and_taken_back(digest: Command):
    said = digest("set", "morning", "--days-off", "12-25,2026-05-01")
    document = digest("show", "morning", "--json").json
    without = digest("set", "morning", "--days-off", "")
    refused = digest("set", "morning", "--days-off", "easter")

    assert "12-25, 2026-05-01" in said.out
    assert document["days_off"] == ["12-25", "2026-05-01"]
    assert "days off  none" in without.out
    assert (refused.code, "easter" in refused.err) == (2, True)
