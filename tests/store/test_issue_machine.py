"""Any sequence of moves, by anybody, keeps an issue on the paths of the table."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from digest.model.calendar import Period
from digest.model.errors import IllegalTransition
from digest.model.issue import TRANSITIONS, IssueState
from digest.store import issues
from digest.store.engine import Store
from support.factories import NOW, make_publication

states = st.sampled_from(IssueState)


class Moving(RuleBasedStateMachine):
    """Moves with a right or a wrong idea of the present state, compared with the table."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.folder / "digest.db")
        self.store = Store(f"sqlite:///{self.folder}/digest.db")
        self.now = NOW

    @initialize()
    def open_issue(self) -> None:
        with self.store.write() as tx:
            publication = make_publication(tx)
            period = Period(NOW.date(), NOW)
            self.issue, _ = issues.open_period(tx, publication.id, cadence="daily", period=period, now=NOW)
        self.state = self.issue.state
        self.sending_at = self.closed_at = None

    @rule(expected=states, to=states)
    def move(self, expected: IssueState, to: IssueState) -> None:
        self.now += timedelta(minutes=1)
        try:
            with self.store.write() as tx:
                moved = issues.move(tx, self.issue.id, expected=expected, to=to, now=self.now)
        except IllegalTransition:
            assert to not in TRANSITIONS[expected]
            return

        assert to in TRANSITIONS[expected]
        assert moved == (expected is self.state)
        if moved:
            self.state = to
            self.sending_at = self.sending_at or (self.now if to is IssueState.SENDING else None)
            self.closed_at = None if to.is_open else self.now

    @rule(data=st.data())
    def move_rightly(self, data: st.DataObject) -> None:
        choices = sorted(TRANSITIONS[self.state])
        if choices:
            self.move(self.state, data.draw(st.sampled_from(choices)))

    @invariant()
    def the_store_agrees(self) -> None:
        with self.store.read() as tx:
            stored = issues.get(tx, self.issue.id)
            unfinished = issues.unfinished(tx)

        assert (stored.state, stored.sending_at, stored.closed_at) == (self.state, self.sending_at, self.closed_at)
        assert bool(unfinished) == (self.state.is_open and self.state is not IssueState.PAUSED)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


def test_an_issue_stays_on_the_paths_of_the_table_whatever_is_tried(sqlite_template: Path):
    machine = type("MovingHere", (Moving,), {"template": sqlite_template})

    run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))
