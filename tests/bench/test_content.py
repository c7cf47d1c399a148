"""The mail that is measured is the real one: the check of what arrived says so, and notices when it is not."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from bench import ROOT, corpus, workshop
from bench.databases import Databases
from bench.lab import Lab
from bench.runs import Cost, RunFailed, run
from bench.senders import Digest
from bench.sinks import SinkOptions
from bench.workshop import NotHere
from conftest import missing

_READERS = 12


def verify(folder: Path) -> Cost:
    words = [sys.executable, "-m", "bench.verify", folder, "--count", _READERS, "--issue", workshop.issue()]
    return run([*words, *workshop.keys()], cwd=ROOT)


def test_the_issue_is_as_big_as_the_page_says_and_the_same_each_time():
    html, text = corpus.rendered(dict.fromkeys(corpus.PERSONAL, "x" * 40))

    assert 48_000 < len(html.encode()) < 52_000
    assert 7_500 < len(text.encode()) < 9_000
    assert (html, text) == corpus.rendered(dict.fromkeys(corpus.PERSONAL, "x" * 40))


def test_what_the_command_sends_verifies_and_decodes_and_a_changed_mail_does_not(tmp_path: Path):
    """One test, because sending takes seconds: `digest run`, the sink in C, dkimpy, and three ways to spoil a mail."""
    try:
        workshop.sink_program()
        workshop.keys()
    except NotHere as error:
        missing("the sink", str(error))
    kept, spoiled = tmp_path / "kept", tmp_path / "spoiled"
    kept.mkdir()
    with Databases() as databases:
        lab = Lab(databases)
        with lab.sink(SinkOptions(keep=_READERS, is_pinned=False), kept) as sink:
            Digest(signs="both").send(lab, sink, _READERS, core=None)

    messages, right, size = (int(word) for word in verify(kept).output.split())

    assert (messages, right) == (_READERS, _READERS)
    assert 60_000 < size < 70_000
    shutil.copytree(kept, spoiled)
    first, second, third, *_ = sorted(spoiled.glob("*.eml"))
    first.write_bytes(first.read_bytes().replace(b"Good morning", b"Good evening", 1))
    second.write_bytes(second.read_bytes().replace(b"\r\nSubject: ", b"\r\nSubject: x", 1))
    third.write_bytes(sorted(spoiled.glob("*.eml"))[3].read_bytes())
    assert verify(spoiled).output.split()[:2] == [str(_READERS), str(_READERS - 3)]
    first.unlink()
    with pytest.raises(RunFailed, match="12 messages were expected, 11 are there"):
        verify(spoiled)
