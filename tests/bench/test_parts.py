"""The parts of the benchmark that speak to the store must not fall behind it: each runs once for a few readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.databases import Databases
from bench.importing import import_by_command, page_times, write_csv
from bench.lab import Lab
from bench.outcomes import into_sink, mismatches
from bench.recording import bookkeeping
from bench.runs import RunFailed
from bench.senders import Digest, write_config
from bench.workshop import NotHere, sink_program
from conftest import missing


def test_every_delivery_can_be_taken_through_its_states_by_the_store_alone():
    with Databases() as databases:
        cost = bookkeeping(Lab(databases), 120, "sqlite")

    assert list(cost) == ["claim", "mark", "record"]
    assert all(value > 0 for value in cost.values())


def test_what_the_command_imports_is_what_the_pages_show(tmp_path: Path):
    file = write_csv(tmp_path / "readers.csv", 30)
    with Databases() as databases, databases.project(0, state="empty") as project:
        write_config(project, {})
        import_by_command(project, file, 30)

        assert page_times(project, 30).keys() == {"first", "last", "worst"}
        with pytest.raises(RunFailed, match="30 of 31 subscriptions"):
            page_times(project, 31)
        with pytest.raises(RunFailed, match="0 of 30 rows were created"):
            import_by_command(project, file, 30)


def test_a_mixed_audience_is_told_of_alike_by_the_sink_and_by_the_record():
    try:
        sink_program()
    except NotHere as error:
        missing("the sink", str(error))
    with Databases() as databases:
        events, states = into_sink(Lab(databases), 40, Digest(mixed=True))

    assert sorted(code for _, code, _ in events) == [250] * 32 + [451] * 4 + [550] * 4
    assert mismatches(events, states) == []
