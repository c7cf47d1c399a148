"""The two state machines as tables: complete, closed, and without a way back from what is final."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest

from digest.model import delivery, issue
from digest.model.delivery import DeliveryState, Tally
from digest.model.issue import IssueState

TABLES: list[Any] = [
    pytest.param(issue.TRANSITIONS, IssueState, IssueState.PLANNED, id="issue"),
    pytest.param(delivery.TRANSITIONS, DeliveryState, DeliveryState.PENDING, id="delivery"),
]
I, D = IssueState, DeliveryState  # noqa: E741 - the tables below read better short


def reachable(table: dict[Any, frozenset[Any]], start: Any) -> set[Any]:
    found, fresh = {start}, [start]
    while fresh:
        fresh = [to for state in fresh for to in table[state] if to not in found]
        found |= set(fresh)
    return found


@pytest.mark.parametrize(("table", "states", "start"), TABLES)
def test_every_state_has_an_entry_and_leads_to_known_states_only(table: Any, states: type[StrEnum], start: StrEnum):
    assert set(table) == set(states)
    assert set().union(*table.values()) <= set(states)


@pytest.mark.parametrize(("table", "states", "start"), TABLES)
def test_every_state_can_be_reached_and_none_leads_to_itself(table: Any, states: type[StrEnum], start: StrEnum):
    assert reachable(table, start) == set(states)
    assert not [state for state in states if state in table[state]]


@pytest.mark.parametrize(("table", "states", "start"), TABLES)
def test_from_every_state_there_is_a_way_to_an_end(table: Any, states: type[StrEnum], start: StrEnum):
    ends = {state for state in states if not table[state]}

    assert all(reachable(table, state) & ends for state in states)


def test_a_skipped_or_cancelled_issue_is_final_a_failed_one_can_only_start_again_and_a_sent_one_only_be_sent_on():
    assert {state for state in I if not issue.TRANSITIONS[state]} == {I.SKIPPED, I.CANCELLED}
    assert issue.TRANSITIONS[I.FAILED] == {I.PLANNED}
    assert issue.TRANSITIONS[I.SENT] == {I.SENDING}


def test_an_issue_is_open_exactly_while_it_is_not_closed():
    assert {state for state in I if not state.is_open} == {I.SENT, I.SKIPPED, I.FAILED, I.CANCELLED}


def test_an_issue_that_may_have_been_mailed_never_goes_back_to_composing():
    early = {I.PLANNED, I.COLLECTING, I.CURATED, I.COMPOSED, I.APPROVED}

    assert not reachable(issue.TRANSITIONS, I.SENDING) & early


def test_a_sent_or_skipped_delivery_is_final():
    assert {state for state in D if not delivery.TRANSITIONS[state]} == {D.SENT, D.SKIPPED}


def test_a_delivery_is_sent_only_from_a_state_in_which_its_bytes_may_be_out():
    assert {state for state in D if D.SENT in delivery.TRANSITIONS[state]} == {D.SENDING, D.UNKNOWN}


def test_a_delivery_on_the_wire_is_never_skipped():
    assert D.SKIPPED not in delivery.TRANSITIONS[D.SENDING] | delivery.TRANSITIONS[D.UNKNOWN]


def test_work_remains_on_open_deliveries_only():
    counts = {state: 10**place for place, state in enumerate(DeliveryState)}
    tally = Tally(audience=1, counts=counts, failures={})

    assert tally.open_count == sum(counts[state] for state in (D.PENDING, D.LEASED, D.SENDING, D.DEFERRED))
