"""What a process took is what the kernel says it took."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from bench.runs import RunFailed, Running, run

BURN = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass\n"


def python(source: str) -> list[object]:
    return [sys.executable, "-c", source]


def test_cpu_time_of_threads_and_children_is_counted(tmp_path: Path):
    in_thread = f"import threading\ndef burn():\n    {BURN.replace(chr(10), chr(10) + '    ')}\n"
    in_thread += "t = threading.Thread(target=burn); t.start(); t.join()\n"
    in_child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\n"

    assert run(python(in_thread), cwd=tmp_path).cpu_s >= 0.4
    assert run(python(in_child), cwd=tmp_path).cpu_s >= 0.4


def test_sleeping_costs_time_and_no_cpu(tmp_path: Path):
    cost = run(python("import time; time.sleep(0.5)"), cwd=tmp_path)

    assert cost.wall_s >= 0.5
    assert cost.cpu_s < 0.4


def test_peak_memory_is_the_highest_there_was_also_when_it_was_given_back(tmp_path: Path):
    cost = run(python("held = b'x' * 500_000_000; del held"), cwd=tmp_path)

    assert 480 < cost.peak_mb < 600


def test_two_costs_side_by_side_add_up_and_the_longer_one_gives_the_time(tmp_path: Path):
    one, two = run(python("print(1)"), cwd=tmp_path), run(python("print(2)"), cwd=tmp_path)

    both = one + two

    assert both.cpu_s == one.cpu_s + two.cpu_s
    assert both.wall_s == max(one.wall_s, two.wall_s)
    assert both.output == "1\n2\n"


def test_a_process_that_fails_has_no_figures_but_its_last_words(tmp_path: Path):
    with pytest.raises(RunFailed, match=r"(?s)exit 3.*no room") as failed:
        run([*python("import sys; print('no room', file=sys.stderr); sys.exit(3)"), tmp_path], cwd=tmp_path)

    assert "/" not in str(failed.value).splitlines()[0], "the page takes this line, and no folder of this machine"


def test_a_process_runs_on_the_core_it_was_given_and_we_keep_ours(tmp_path: Path):
    before = os.sched_getaffinity(0)
    core = max(before)

    told = run(python("import os; print(os.sched_getaffinity(0))"), cwd=tmp_path, core=core)

    assert told.output == f"{{{core}}}\n"
    assert os.sched_getaffinity(0) == before


def test_progress_is_drawn_when_a_terminal_is_asked_for(tmp_path: Path):
    asks = python("import sys; print(sys.stderr.isatty())")

    assert run(asks, cwd=tmp_path, on_terminal=True).output == "True\n"
    assert run(asks, cwd=tmp_path).output == "False\n"


def test_settings_of_the_person_who_measures_do_not_reach_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__RATE", "1")

    told = run(python("import os; print([name for name in os.environ if name.startswith('DIGEST_')])"), cwd=tmp_path)

    assert told.output == "[]\n"


def test_a_signal_is_known_to_be_caught_only_once_it_is(tmp_path: Path):
    waits = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nsignal.pause()\n"
    with Running(python(waits), cwd=tmp_path) as started:
        while not started.catches(signal.SIGTERM):
            assert not started.is_over
        started.signal(signal.SIGTERM)
        started.wait()


def test_a_process_is_not_left_running(tmp_path: Path):
    with pytest.raises(KeyError), Running(python("import signal; signal.pause()"), cwd=tmp_path) as started:
        raise KeyError

    assert not Path(f"/proc/{started.pid}").exists()
