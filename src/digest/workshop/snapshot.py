"""What the mails look like, kept beside the templates, so that a change nobody meant is seen in review.

Rules: HTML and text always; pictures of them where there is a Chromium. Files are normalised, so that only what a
reader would notice makes a difference: one tag a line, no source map, drawn data and a fixed day. Writes only when
told to update, and only below ``email/snapshots`` of the operator's own folder.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageChops

from digest.compose.environment import templates
from digest.compose.fixtures import fixture_names, load_fixture
from digest.compose.kinds import MailKind
from digest.model.errors import BadInput
from digest.workshop.clients import Client, simulate
from digest.workshop.mail import WRITTEN_AT, Mail, lay_out
from digest.workshop.sweep import is_never_sent

#: Pictures of a page are never the same to the last bit on two machines.
_LEVELS_APART = 24
_SHARE_APART = 0.001
_WIDTHS = (("desktop", 640, False), ("phone", 375, False), ("dark", 640, True))
_BETWEEN = re.compile(r"(?=<(?!/(?:a|b|i|em|strong|span|bdi|s|u)\b)[a-zA-Z/!])")


@dataclass(frozen=True, slots=True)
class Shot:
    """One mail to keep: where, as text files and as how many pictures."""

    name: str
    mail: Mail

    @property
    def files(self) -> dict[str, str]:
        """What is kept of it as text, by file name."""
        subject = f"Subject: {self.mail.rendered.subject}\nPreheader: {self.mail.context.preheader}\n\n"
        return {
            f"{self.name}.html": normalised(self.mail.rendered.html),
            f"{self.name}.txt": subject + self.mail.rendered.text,
        }


@dataclass(slots=True)
class Outcome:
    """What keeping or comparing found, by file name."""

    same: list[str] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.changed or self.new or self.gone)


def shots(
    search_path: Sequence[Path], *, theme: str, kinds: Sequence[MailKind] = (), fixtures: Sequence[str] = ()
) -> Iterator[Shot]:
    """The mails of these kinds and fixtures (``()``: all) in ``theme``. Raises TemplateBroken, NotFound."""
    env = templates(search_path, theme=theme)
    mapped = templates(search_path, theme=theme, source_map=True)
    for kind in kinds or tuple(MailKind):
        for name in fixture_names(kind, search_path=search_path):
            if fixtures and name not in fixtures:
                continue
            context = load_fixture(name, kind=kind, search_path=search_path)
            if not is_never_sent(context):
                mail = lay_out(context, env=env, mapped_env=mapped, fixture=name, now=WRITTEN_AT)
                yield Shot(f"{kind}-{name}", mail)


def normalised(html: str) -> str:
    """HTML with one tag a line and nothing that no reader sees."""
    lines = (line.strip() for line in _BETWEEN.sub("\n", html).splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def folder_of(search_path: Sequence[Path], theme: str) -> Path:
    """Where the snapshots of a theme lie. Raises BadInput without a folder of own templates."""
    if not search_path:
        raise BadInput("there is no folder of own templates", hint="make a project first: digest init")
    return search_path[0] / "email" / "snapshots" / theme


def settle(
    taken: Sequence[Shot], folder: Path, *, updates: bool, is_all: bool, photograph: Callable[[str, int], bytes] | None
) -> Outcome:
    """Compare what was taken with what is kept; with ``updates`` keep what was taken instead.

    ``is_all``: what is kept and was not taken is gone. ``photograph`` gives a PNG of a page, by width.
    """
    outcome = Outcome()
    for shot in taken:
        for name, text in shot.files.items():
            _text(outcome, folder / name, text, updates=updates)
        if photograph is not None:
            for label, width, dark in _WIDTHS:
                page = simulate(shot.mail.rendered.html, Client.AUTHORED, dark=dark)
                _picture(outcome, folder / f"{shot.name}-{label}.png", photograph(page, width), updates=updates)
    if is_all and folder.is_dir():
        known = {name for shot in taken for name in shot.files}
        known |= {f"{shot.name}-{label}.png" for shot in taken for label, _, _ in _WIDTHS}
        for path in sorted(folder.iterdir()):
            if path.name not in known and path.suffix in {".html", ".txt", ".png"}:
                outcome.gone.append(path.name)
                if updates:
                    path.unlink()
    return outcome


def _text(outcome: Outcome, path: Path, text: str, *, updates: bool) -> None:
    if not path.is_file():
        outcome.new.append(path.name)
    elif (kept := path.read_text(encoding="utf-8")) == text:
        outcome.same.append(path.name)
        return
    else:
        lines = difflib.unified_diff(
            kept.splitlines(), text.splitlines(), f"kept/{path.name}", f"now/{path.name}", lineterm="", n=2
        )
        outcome.changed[path.name] = "\n".join(lines)
    if updates:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _picture(outcome: Outcome, path: Path, png: bytes, *, updates: bool) -> None:
    if not path.is_file():
        outcome.new.append(path.name)
    elif not (says := apart(path.read_bytes(), png)):
        outcome.same.append(path.name)
        return
    else:
        outcome.changed[path.name] = f"{path.name}: {says}"
    if updates:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png)


def apart(one: bytes, other: bytes) -> str:
    """How two pictures differ, in words; ``""`` when no reader would see it."""
    with Image.open(io.BytesIO(one)) as left, Image.open(io.BytesIO(other)) as right:
        if left.size != right.size:
            return f"{left.width}×{left.height} pixels became {right.width}×{right.height}"
        delta = ImageChops.difference(left.convert("L"), right.convert("L")).point(
            [0] * _LEVELS_APART + [255] * (256 - _LEVELS_APART)
        )
        share = delta.histogram()[255] / (left.width * left.height)
    return f"{share:.2%} of the pixels differ" if share > _SHARE_APART else ""
