"""The page about monitoring: its metrics exist, none is left out, its rules are about metrics that there are."""

from __future__ import annotations

import re

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from digest.app.metrics import Metrics
from digest.engine.local import LocalEngine
from digest.store.engine import Store
from support.documents import ROOT, blocks, logged_events
from support.sending import make_container, sending_issue

PAGE = (ROOT / "docs" / "how-to" / "monitor.md").read_text(encoding="utf-8")


@pytest.fixture
def exposed(sqlite_database: str) -> set[str]:
    """The names of all metrics as a scraper sees them, with an issue on its way."""
    store = Store(sqlite_database)
    sending_issue(store, 3)
    container = make_container(store)
    container.counts.turn("done", at=1.0)
    text = Metrics(container.settings, store, container.counts, engine=LocalEngine()).page("")[0].decode()
    store.close()
    families = text_string_to_metric_families(text)
    return {f"{one.name}_total" if one.type == "counter" else one.name for one in families} - {"process"}


def _ours(text: str) -> set[str]:
    return set(re.findall(r"\bdigest_[a-z_]+\b", text))


def test_every_metric_is_on_the_page_and_no_other(exposed: set[str]):
    ours = {name for name in exposed if name.startswith("digest_")}

    assert len(ours) > 20
    assert _ours(PAGE) == ours


def test_the_examples_are_yaml_and_the_rules_are_about_metrics_that_there_are(exposed: set[str]):
    documents = [yaml.safe_load(block.text) for block in blocks(PAGE) if block.language == "yaml"]
    scrape, rules = documents
    alerts = {rule["alert"]: rule for rule in rules["groups"][0]["rules"]}

    assert [job["job_name"] for job in scrape["scrape_configs"]] == ["digest", "digest-worker"]
    assert {"DigestIssueStuck", "DigestDoubts", "DigestRelayRefuses", "DigestWorkerGone"} <= alerts.keys()
    for name, rule in alerts.items():
        used = _ours(rule["expr"])
        assert used, name
        assert used <= exposed, name
        assert rule["annotations"]["summary"]


def test_events_on_the_page_are_logged_somewhere():
    table = PAGE.partition("## Logs")[2].partition("## Metrics")[0]
    told = set(re.findall(r"`([a-z]+\.[a-z_]+)`", table)) - {"logging.level"}

    assert len(told) > 12
    assert told - logged_events() == set()
