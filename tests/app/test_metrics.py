"""The page of metrics: what stands in it, how often the database is asked, and that no address gets there."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, update

from digest.app.container import Container
from digest.app.metrics import Metrics
from digest.engine.local import LocalEngine
from digest.model.delivery import ChunkRef
from digest.model.errors import RelayUnreachable
from digest.store.engine import Store
from digest.store.tables import delivery
from support.paper import a_paper, run_paper
from support.sending import make_container, sending_issue
from support.sink import start_sink


def metrics_of(container: Container, **more: object) -> Metrics:
    return Metrics(container.settings, container.store, container.counts, **more)  # type: ignore[arg-type]


def read(metrics: Metrics) -> dict[str, float]:
    """Every sample as ``name{label="value",…}`` → value."""
    text, content_type = metrics.page("")
    assert content_type.startswith("text/plain")
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_a_finished_issue_leaves_its_outcomes_and_nothing_open(store: Store, tmp_path: Path):
    with start_sink(tmp_path, dead=["reader2@example.com"]) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=5)
        run_paper(paper)
    page = read(metrics_of(paper))

    assert page['digest_delivery_outcomes_total{reason="",relay="default",state="sent"}'] == 4
    assert page['digest_delivery_outcomes_total{reason="rejected",relay="default",state="failed"}'] == 1
    assert page['digest_delivery_outcomes_total{reason="",relay="default",state="unknown"}'] == 0
    assert page['digest_issues{state="sent"}'] == 1
    assert not [name for name in page if name.startswith("digest_deliveries{")]
    assert page["digest_database_up"] == 1


def test_an_issue_on_its_way_shows_what_waits_and_for_how_long(store: Store):
    sending_issue(store, 10)
    with store.write() as tx:
        now = tx.now()
        tx.connection.execute(
            update(delivery).where(delivery.c.subscriber_id <= 3).values(due_at=now - timedelta(hours=1))
        )
        tx.connection.execute(update(delivery).where(delivery.c.subscriber_id > 8).values(state="unknown"))
    page = read(metrics_of(make_container(store)))
    labels = 'cadence="daily",publication="morning"'

    assert page[f'digest_deliveries{{{labels},state="pending"}}'] == 8
    assert page[f'digest_deliveries{{{labels},state="unknown"}}'] == 2
    assert 3600 <= page[f"digest_issue_waiting_seconds{{{labels}}}"] < 3700
    assert page[f"digest_issue_audience{{{labels}}}"] == 10
    assert page[f"digest_issue_overdue_seconds{{{labels}}}"] > 0


def test_the_quota_of_a_limited_relay_is_shown_with_what_is_used(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=3, relay={"daily_quota": 100})
        run_paper(paper)
    page = read(metrics_of(paper))

    assert page['digest_relay_quota_messages{relay="default"}'] == 100
    assert page['digest_relay_quota_used_messages{relay="default"}'] == 3


def test_trouble_and_the_clock_are_counted_from_zero_on(store: Store):
    container = make_container(store)
    before = read(metrics_of(container))
    container.counts.trouble(RelayUnreachable())
    container.counts.turn("done", at=1_700_000_000.0)
    after = read(metrics_of(container))

    assert before['digest_troubles_total{code="relay-unreachable"}'] == 0
    assert before['digest_troubles_total{code="relay-refused"}'] == 0
    assert after['digest_troubles_total{code="relay-unreachable"}'] == 1
    assert after["digest_clock_last_turn_timestamp_seconds"] == 1_700_000_000.0
    assert "digest_clock_last_turn_timestamp_seconds" not in before


def test_wake_ups_and_workers_are_shown_where_an_engine_knows_them(store: Store):
    container, engine = make_container(store), LocalEngine()
    with store.write() as tx:
        engine.submit(tx, [ChunkRef(1, 0), ChunkRef(1, 1)])
    page = read(metrics_of(container, engine=engine))

    assert (page["digest_workers"], page['digest_wakeups{state="waiting"}']) == (1, 2)
    assert "digest_workers" not in read(metrics_of(container))


def test_a_database_that_is_gone_is_a_number_and_not_an_error(tmp_path: Path):
    store = Store(f"sqlite:///{tmp_path}/no/such/folder/digest.db")
    page = read(metrics_of(make_container(store)))

    assert page["digest_database_up"] == 0
    assert page['digest_chunks_total{end="done"}'] == 0
    assert not [name for name in page if name.startswith("digest_issues")]


def test_many_scrapes_ask_the_database_once_in_ten_seconds(store: Store):
    container = make_container(store)
    metrics = metrics_of(container)
    asked: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda _c, _u, sql, *_rest: asked.append(sql))
    threads = [threading.Thread(target=metrics.page, args=("",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum("FROM delivery" in sql for sql in asked) == 1


def test_an_answer_that_took_long_is_kept_for_longer(store: Store):
    """An answer that took a second is kept for twenty, so asking never costs more than a twentieth of the time."""
    now = 0.0
    asked: list[float] = []

    def slowly(_connection: object, _cursor: object, sql: str, *_rest: object) -> None:
        nonlocal now
        if "FROM delivery" in sql:
            asked.append(now)
            now += 1.0

    event.listen(store.engine, "before_cursor_execute", slowly)
    metrics = metrics_of(make_container(store), clock=lambda: now)
    for at in (0.0, 12.0, 19.0, 21.0):
        now = at
        metrics.page("")

    assert asked == [0.0, 21.0]


def test_nothing_is_registered_for_the_whole_process(store: Store):
    before = {family.name for family in REGISTRY.collect()}
    first, second = metrics_of(make_container(store)), metrics_of(make_container(store))
    first.page("")
    second.page("")

    assert {family.name for family in REGISTRY.collect()} == before


def test_names_have_the_form_of_the_house_and_labels_come_from_closed_sets(store: Store, tmp_path: Path):
    with start_sink(tmp_path, dead=["reader2@example.com"]) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=5, relay={"daily_quota": 100})
        run_paper(paper)
    sending = metrics_of(paper)
    text = sending.page("")[0].decode()
    labels = set(re.findall(r"(\w+)=\"", "".join(line for line in text.splitlines() if line.startswith("digest_"))))

    assert labels == {"code", "end", "kind", "reason", "relay", "state", "version"}
    assert "example.com" not in text
    assert "reader" not in text
    for family in text_string_to_metric_families(text):
        assert re.fullmatch(r"digest_[a-z_]+|process_[a-z_]+", family.name)
        assert family.documentation.endswith(".") or family.name.startswith("process_")
