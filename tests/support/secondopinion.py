"""Other people's eyes on our mails: html-validate, SpamAssassin and rspamd, where this machine has them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CONFIG = Path(__file__).with_name("htmlvalidate.cjs")
_HTML_VALIDATE = ROOT / ".venv" / "html-validate" / "node_modules" / "html-validate" / "bin" / "html-validate.mjs"


def html_validate() -> Path | None:
    """The program, if it is installed and there is a Node to run it."""
    return _HTML_VALIDATE if _HTML_VALIDATE.is_file() and shutil.which("node") else None


def by_html_validate(pages: Mapping[str, str], folder: Path) -> list[str]:
    """What html-validate says of these pages: name, place, rule and message of each fault."""
    for name, html in pages.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    said = subprocess.run(
        [
            "node",
            str(html_validate()),
            "--config",
            str(_CONFIG),
            "--formatter",
            "json",
            *sorted(map(str, folder.glob("*.html"))),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert said.returncode in {0, 1}, said.stderr
    return [
        f"{Path(page['filePath']).stem}:{one['line']}:{one['column']} {one['ruleId']}: {one['message']}"
        for page in json.loads(said.stdout)
        for one in page["messages"]
    ]


def by_spamassassin(mails: Iterable[bytes], folder: Path) -> list[str]:
    """The X-Spam-Status line of each mail, by local rules alone: nothing is asked of anybody. One start for all."""
    box = folder / "mails.mbox"
    box.write_bytes(
        b"".join(
            b"From reader@example.com Fri Nov 20 07:00:00 2026\n" + one.replace(b"\r\n", b"\n") + b"\n" for one in mails
        )
    )
    said = subprocess.run(
        ["spamassassin", "--local", "--mbox", str(box)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"},
    )
    unfolded = said.stdout.replace("\n\t", " ")
    return [line for line in unfolded.splitlines() if line.startswith("X-Spam-Status:")]
