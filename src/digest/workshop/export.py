"""The mails as a folder of plain pages, to send to somebody or put on a server: no script, no server, no network.

Rules: writes only into the folder that is named, which must be new, empty, or an export of before. Each mail is there
as each client and scheme shows it; pictures that fixtures draw lie beside it. Opening ``index.html`` asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from digest.compose.fixtures import PICTURES
from digest.compose.pictures import picture
from digest.model.errors import BadInput, DigestError
from digest.workshop.clients import Client, badge, simulate
from digest.workshop.snapshot import Shot

_MARK = ".digest-export"
_PICTURE = re.compile(re.escape(PICTURES) + r"/([\w-]+)\.png")
_SHOWN = (
    ("light", Client.AUTHORED, False),
    ("dark", Client.AUTHORED, True),
    ("gmail-app", Client.GMAIL_APP, False),
    ("forced-dark", Client.FORCED_DARK, True),
    ("outlook-windows", Client.OUTLOOK_WINDOWS, False),
    ("images-off", Client.IMAGES_OFF, False),
)
_STYLE = """\
:root{color-scheme:light dark;--ground:#ececee;--card:#fff;--ink:#1b1c1e;--quiet:#55585e;--line:#c2c4c8}
@media(prefers-color-scheme:dark){
:root{--ground:#202124;--card:#17181a;--ink:#ececee;--quiet:#a9acb3;--line:#45474c}}
body{margin:0;padding:32px 20px 60px;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
main{max-width:980px;margin:auto}h1{font-size:22px;margin:0 0 4px}
h2{font-size:13px;margin:28px 0 8px;color:var(--quiet);text-transform:uppercase;letter-spacing:.04em}
p{margin:0 0 16px;color:var(--quiet)}ul{list-style:none;margin:0;padding:0;display:grid;gap:8px}
li{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:10px 14px}li b{font-weight:600}
li span{display:block;color:var(--quiet);font-size:13px}
li a{color:inherit;margin-right:14px;display:inline-block;padding:3px 0}
a:focus-visible{outline:2px solid #1f5fd6}
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    folder: Path
    mails: int
    files: int


def export(shots: Sequence[Shot], folder: Path) -> Exported:
    """Write the mails and an index. Raises BadInput for a folder with something else in it."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file", hint="name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise BadInput(f"{folder} holds something else", hint="name a new folder")
    try:
        return _write(shots, folder)
    except OSError as error:
        raise DigestError(f"cannot write to {folder}: {error.strerror}", hint="choose another folder") from error


def _write(shots: Sequence[Shot], folder: Path) -> Exported:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).write_text("digest preview export\n", encoding="utf-8")
    pictures: set[str] = set()
    count = 0
    for shot in shots:
        place = folder / shot.name
        place.mkdir(exist_ok=True)
        for name, client, dark in _SHOWN:
            page = simulate(shot.mail.rendered.html, client, dark=dark)
            pictures |= set(_PICTURE.findall(page))
            (place / f"{name}.html").write_text(_PICTURE.sub(r"../pictures/\1.png", page), encoding="utf-8")
        (place / "text.txt").write_text(shot.mail.rendered.text, encoding="utf-8")
        (place / "mail.eml").write_bytes(shot.mail.eml)
        count += len(_SHOWN) + 2
    for name in sorted(pictures):
        (folder / "pictures").mkdir(exist_ok=True)
        (folder / "pictures" / f"{name}.png").write_bytes(picture(name))
    (folder / "index.html").write_text(_index(shots), encoding="utf-8")
    return Exported(folder, len(shots), count + len(pictures) + 1)


def _index(shots: Sequence[Shot]) -> str:
    groups: dict[str, list[Shot]] = {}
    for shot in shots:
        groups.setdefault(shot.mail.kind, []).append(shot)
    body = "".join(f"<h2>{escape(kind)}</h2><ul>{''.join(map(_entry, found))}</ul>" for kind, found in groups.items())
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>Mails</title><style>{_STYLE}</style></head><body><main><h1>Mails</h1>"
        f"<p>{len(shots)} mails as mail clients show them, with invented data. Simulations are what they say.</p>"
        f"{body}</main></body></html>\n"
    )


def _entry(shot: Shot) -> str:
    links = "".join(
        f'<a href="{shot.name}/{name}.html">{escape(_called(name, client))}</a>' for name, client, _ in _SHOWN
    )
    rest = f'<a href="{shot.name}/text.txt">text</a><a href="{shot.name}/mail.eml">.eml</a>'
    subject = escape(shot.mail.rendered.subject)
    return f"<li><b>{escape(shot.mail.fixture)}</b><span>{subject}</span>{links}{rest}</li>"


def _called(name: str, client: Client) -> str:
    return name if client is Client.AUTHORED else f"{badge(client).name} ({badge(client).fidelity})"
