"""`make bench-preview`: the workshop's bars, measured with the product as it is used.

Rules: nothing here is a timed test. The preview runs as the command somebody types, in a process of its own; a save is
a file that an editor writes; visible is what a real Chromium has drawn of it. Exit code 1 when a bar is missed.
"""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine import described

SAVES = 24
ROUNDS = 40
_PAGE = "/preview/digest?f=forty"
_BODY = "email/digest/body.html"
_SEEN = """mark => new Promise(done => {
  const look = () => {
    const frame = document.querySelector('#frames iframe:not(.arriving)');
    if (frame?.contentDocument?.body?.textContent.includes(mark)) requestAnimationFrame(() => done(Date.now()));
    else setTimeout(look, 1);
  };
  look();
})"""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure beside its bar; less is better for all of them."""

    what: str
    figure: float
    bar: float
    unit: str
    how: str

    @property
    def ratio(self) -> float:
        """The share of the bar that is used."""
        return self.figure / self.bar

    @property
    def line(self) -> str:
        """A line of the table."""
        verdict = "kept" if self.ratio <= 1 else "MISSED"
        return (
            f"{self.what:<38} {self.figure:>9.1f} {self.unit:<3} {self.bar:>7.0f} {self.unit:<3}"
            f" {self.ratio:>6.2f}  {verdict:<7} {self.how}"
        )


def main() -> int:
    """Measure everything and print the table."""
    from digest.workshop.browser import find_chromium

    for name, value in described():
        print(f"{name}: {value}")
    print()
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as place:
        rows = [*_in_browser(Path(place), find_chromium()), *_in_process()]
    print(f"{'':<38} {'measured':>13} {'bar':>11} {'ratio':>6}")
    for row in rows:
        print(row.line)
    return 1 if any(row.ratio > 1 for row in rows) else 0


@contextlib.contextmanager
def _preview(folder: Path) -> Iterator[tuple[str, int]]:
    """A real ``digest preview``: its address and process id."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    command = [sys.executable, "-c", "from digest.cli.main import main; main()", "preview", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield found[0], process.pid
                break
        process.terminate()
        process.wait(timeout=30)


def _in_browser(folder: Path, chromium: str) -> Iterator[Measured]:
    from playwright.sync_api import sync_playwright

    from digest.compose.folders import package_templates

    own = folder / "templates" / _BODY
    own.parent.mkdir(parents=True)
    shipped = (package_templates() / _BODY).read_text(encoding="utf-8")
    own.write_text(shipped, encoding="utf-8")
    with _preview(folder) as (base, pid), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(base + _PAGE, wait_until="load")
        page.wait_for_timeout(3000)
        yield Measured("idle process, resident", _resident_mb(pid), 120, "MB", "after the first page, nothing saved")
        took = sorted(_saves(page, own, shipped))
        at_95 = took[min(len(took) - 1, round(0.95 * len(took)) - 1)]
        spread = f"{len(took)} saves of 40 stories; median {statistics.median(took):.0f}, worst {took[-1]:.0f} ms"
        yield Measured("save to visible, 95th percentile", at_95, 200, "ms", spread)
        yield _matrix(page, base)
        yield Measured(
            "after all that, resident", _resident_mb(pid), 240, "MB", "no bar in the design; twice the idle one"
        )
        browser.close()


def _saves(page: Any, own: Path, shipped: str) -> Iterator[float]:
    for number in range(SAVES + 2):
        mark = f"save number {number}."
        changed = shipped.replace("{% block content %}", "{% block content %}<tr><td>" + mark + "</td></tr>", 1)
        page.evaluate(f"void (window.seen = ({_SEEN})({mark!r}))")  # the promise is not waited for
        began = time.time()
        own.write_text(changed, encoding="utf-8")
        seen_ms = page.evaluate("window.seen")
        if number >= 2:  # the first ones find caches cold
            yield seen_ms - began * 1000
        page.wait_for_timeout(400)


def _matrix(page: Any, base: str) -> Measured:
    began = time.monotonic()
    page.goto(f"{base}/preview/digest?v=matrix", wait_until="domcontentloaded")
    page.evaluate("document.querySelectorAll('iframe[loading]').forEach(frame => { frame.loading = 'eager'; })")
    page.wait_for_function(
        """() => { const all = [...document.querySelectorAll('#matrix iframe')];
          return all.length > 0 && all.every(one => one.contentDocument?.readyState === 'complete'
            && one.contentDocument.location.href !== 'about:blank'); }""",
        timeout=60_000,
    )
    took = time.monotonic() - began
    count = page.locator("#matrix iframe").count()
    return Measured("matrix, every thumbnail loaded", took, 3, "s", f"{count} frames, checks of all of them included")


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def _in_process() -> Iterator[Measured]:
    from digest.compose.environment import templates
    from digest.compose.fixtures import load_fixture
    from digest.compose.render import render
    from digest.workshop.checks import check
    from digest.workshop.mail import lay_out

    context = load_fixture("forty")
    env, mapped = templates(), templates(source_map=True)
    rendering = _median_ms(lambda: render(context, env=env))
    yield Measured(
        "render and inline, 40 stories", rendering, 5, "ms", f"processor time, median of {ROUNDS}: subject, HTML, text"
    )
    mail = lay_out(context, env=env, mapped_env=mapped, fixture="forty")
    yield Measured(
        "checks of 40 stories", _median_ms(lambda: check(mail)), 50, "ms", f"processor time, median of {ROUNDS}"
    )


def _median_ms(work: Any) -> float:
    """Of this thread's processor time: the machine may have other things to do."""
    work()
    took = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        work()
        took.append((time.thread_time() - began) * 1000)
    return statistics.median(took)


if __name__ == "__main__":
    sys.exit(main())
