"""Findings: each cause once, worst first."""

from __future__ import annotations

from dataclasses import replace

from digest.workshop.findings import Finding, Group, Severity, gather

FOUND = Finding("unclosed", Severity.BREAKS, Group.STRUCTURE, "<b> is never closed", template="a.html", line=3)


def test_the_same_cause_stands_once_with_how_often_it_was_met():
    assert gather([FOUND, FOUND, FOUND]) == (replace(FOUND, count=3),)


def test_the_worst_stands_first_and_what_is_ignored_last():
    note = replace(FOUND, severity=Severity.NOTE)
    degrades = replace(FOUND, severity=Severity.DEGRADES)
    ignored = replace(FOUND, line=1, ignored_because="fine")
    size = replace(FOUND, rule="size", group=Group.SIZE)

    assert gather([note, ignored, size, degrades, FOUND]) == (FOUND, size, degrades, note, ignored)


def test_what_is_ignored_breaks_nothing():
    assert FOUND.breaks
    assert not replace(FOUND, ignored_because="fine").breaks
    assert not replace(FOUND, severity=Severity.DEGRADES).breaks
