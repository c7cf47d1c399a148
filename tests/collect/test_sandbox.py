"""Processes that a job can ruin, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from digest.collect.sandbox import JobFailed, JobRefused, Sandbox, Trouble

MODULE = "support.misbehaving"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(workers=1, memory_bytes=128 * 1024 * 1024, jobs=(), module=MODULE) as opened:
        yield opened


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def pid_of(sandbox: Sandbox) -> int:
    answer, _ = await sandbox.run("echo", {}, b"", limit_s=10)
    return int(answer["pid"])


async def test_a_job_gets_its_document_and_gives_bytes_back(sandbox: Sandbox):
    answer, body = await sandbox.run("echo", {}, b"\x00\xff" * 500_000, limit_s=10)

    assert body == b"\x00\xff" * 500_000
    assert answer["pid"] != os.getpid()


async def test_a_process_is_used_again(sandbox: Sandbox):
    assert await pid_of(sandbox) == await pid_of(sandbox)


async def test_our_settings_and_passwords_stay_out_of_it(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__PASSWORD", "secret")

    answer, _ = await sandbox.run("echo", {}, b"", limit_s=10)

    assert answer["settings"] == []


@pytest.mark.parametrize(
    ("job", "trouble"),
    [
        ("sleep", Trouble.TIME),
        ("spin", Trouble.TIME),
        ("eat", Trouble.MEMORY),
        ("die", Trouble.CRASH),
        ("raise", Trouble.CRASH),
        ("babble", Trouble.CRASH),
    ],
)
async def test_whatever_a_job_does_the_next_one_finds_a_sound_process(sandbox: Sandbox, job: str, trouble: Trouble):
    before = await pid_of(sandbox)

    started = time.monotonic()
    with pytest.raises(JobFailed) as caught:
        await sandbox.run(job, {}, b"", limit_s=1.0 if trouble is Trouble.TIME else 30.0)
    took = time.monotonic() - started

    assert caught.value.trouble is trouble
    assert trouble is not Trouble.TIME or took < 8.0  # one second of processor, or three by the clock
    after = await pid_of(sandbox)
    assert (after == before) is (job == "raise")
    assert job == "raise" or not is_alive(before)


async def test_the_end_by_the_kernels_clock_is_always_told_as_such(sandbox: Sandbox):
    """The process is gone a moment before its exit status is known: that moment is another one each time."""
    troubles = []
    for _ in range(8):
        with pytest.raises(JobFailed) as caught:
            await sandbox.run("spin", {}, b"", limit_s=0.05)
        troubles.append(caught.value.trouble)

    assert troubles == [Trouble.TIME] * 8


async def test_a_cancelled_job_takes_its_process_with_it(sandbox: Sandbox):
    pid = await pid_of(sandbox)
    task = asyncio.create_task(sandbox.run("sleep", {}, b"", limit_s=60))
    await asyncio.sleep(0.2)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not is_alive(pid)
    assert await pid_of(sandbox) != pid


async def test_leaving_ends_every_process():
    async with Sandbox(workers=2, jobs=(), module=MODULE) as sandbox:
        answers = await asyncio.gather(*(sandbox.run("echo", {}, b"", limit_s=30) for _ in range(6)))
        pids = {answer["pid"] for answer, _ in answers}
        assert 1 <= len(pids) <= 2

    assert not any(is_alive(pid) for pid in pids)


async def test_nothing_is_started_before_the_first_job():
    async with Sandbox(module="there.is.no.such.module"):
        pass


async def test_a_module_that_cannot_run_is_told():
    async with Sandbox(module="there.is.no.such.module") as sandbox:
        with pytest.raises(JobFailed) as caught:
            await sandbox.run("echo", {}, b"", limit_s=10)

    assert caught.value.trouble is Trouble.START


async def test_a_refusal_has_the_words_of_the_job():
    async with Sandbox(jobs=("image",), workers=1) as sandbox:
        with pytest.raises(JobRefused, match="cannot be read"):
            await sandbox.run("image", {"width": 10, "height": 10, "is_cut": False}, b"no picture", limit_s=20)


@pytest.mark.parametrize("job", ["echo", "spin"])
def test_no_process_outlives_ours_even_when_it_is_killed(tmp_path: Path, job: str):
    """The idle one ends with its pipe; the busy one with the kernel's clock."""
    script = (
        "import asyncio, sys\n"
        "from digest.collect.sandbox import Sandbox\n"
        "async def main():\n"
        f"    sandbox = Sandbox(workers=1, jobs=(), module={MODULE!r})\n"
        "    answer, _ = await sandbox.run('echo', {}, b'', limit_s=20)\n"
        "    print(answer['pid'], flush=True)\n"
        f"    await sandbox.run({job!r}, {{}}, b'', limit_s=1.5)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        parent.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)
