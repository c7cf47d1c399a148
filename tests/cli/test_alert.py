"""`digest alert` as an editor uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from digest.store import articles
from digest.store.engine import Store
from digest.store.tables import subscription
from support.paper import a_paper, run_paper
from support.project import call, settle_in
from support.sink import start_sink


def test_an_editor_alerts_once_and_is_told_what_happened(
    sqlite_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    store = Store(sqlite_database)
    with start_sink(tmp_path) as sink:
        settle_in(tmp_path, monkeypatch, sqlite_database)
        monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__HOST", "127.0.0.1")
        monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__PORT", str(sink.port))
        monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__TLS", "none")
        run_paper(a_paper(store, tmp_path, port=sink.port))
        with store.write() as tx:
            article = articles.list_recent(tx)[0]
            tx.connection.execute(update(subscription).where(subscription.c.subscriber_id == 2).values(alerts=True))
        capsys.readouterr()
        sent = call(capsys, "alert", str(article.id), "--yes", "--teaser", "In our own words.")
        again = call(capsys, "alert", str(article.id), "--yes")
        unknown = call(capsys, "alert", "4711", "--yes")
        last = sink.messages()[-1]
    store.close()

    assert (sent.code, sent.out) == (0, "Alert 2 is sent: 1 sent.\n")
    assert (again.code, "had an alert about" in again.err) == (3, True)
    assert (unknown.code, "no article 4711" in unknown.err) == (2, True)
    assert b"In our own words." in last
