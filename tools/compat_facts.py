"""Write what mail clients understand: ``src/digest/workshop/compat_facts.json``, a table of our own.

``npm pack caniemail@2`` in a folder of its own, unpack it, then ``python tools/compat_facts.py FOLDER/package``. Run by
hand when there is news; the program and its tests never do. The facts are those of caniemail.com, as the npm package
``caniemail`` (MIT) carries them: which client was seen to support which feature, and when that was tested. Nothing else
of the package goes in: no texts, no notes, no results by version.

Rules of the table: one letter for each client in the order of ``clients``: ``y`` supported, ``a`` in part, ``n`` not,
``-`` unknown. A client's newest version counts. Where its versions are numbers and dates mixed, nobody can tell which
is newer: then the newest of both are taken and the worse answer counts.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parents[1] / "src" / "digest" / "workshop" / "compat_facts.json"
#: The clients in the table: who most readers use, and who is strictest.
CLIENTS = (
    "apple-mail.ios",
    "apple-mail.macos",
    "gmail.android",
    "gmail.desktop-webmail",
    "gmail.ios",
    "gmail.mobile-webmail",
    "outlook.android",
    "outlook.ios",
    "outlook.macos",
    "outlook.outlook-com",
    "outlook.windows",
    "samsung-email.android",
    "thunderbird.macos",
    "yahoo.android",
    "yahoo.desktop-webmail",
    "yahoo.ios",
    "aol.desktop-webmail",
    "fastmail.desktop-webmail",
    "gmx.desktop-webmail",
    "mail-ru.desktop-webmail",
    "orange.desktop-webmail",
    "protonmail.desktop-webmail",
    "web-de.desktop-webmail",
)
_WORST_FIRST = "nauy"
_DATE = re.compile(r"\d{4}-\d{2}")


def main(arguments: list[str]) -> int:
    """Read the package in the folder given, write the table."""
    if len(arguments) != 1:
        print("usage: compat_facts.py FOLDER-OF-THE-UNPACKED-PACKAGE", file=sys.stderr)
        return 2
    package = Path(arguments[0])
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    found = json.loads((package / "data" / "caniemail.json").read_text(encoding="utf-8"))
    table = {
        "source": f"caniemail.com, by the npm package caniemail {version} (MIT); written by tools/compat_facts.py",
        "as_of": found["last_update_date"][:10],
        "clients": CLIENTS,
        "features": {
            one["slug"]: [_day(one["last_test_date"]), "".join(support(one["stats"], client) for client in CLIENTS)]
            for one in sorted(found["data"], key=lambda one: one["slug"])
        },
    }
    TABLE.write_text(_laid_out(table), encoding="utf-8")
    print(f"{TABLE.name}: {len(table['features'])} features, {len(CLIENTS)} clients, {TABLE.stat().st_size} bytes")
    return 0


def support(stats: Mapping[str, Any], client: str) -> str:
    """The letter for one client, of what was found by its versions."""
    family, _, platform = client.partition(".")
    versions: Mapping[str, str] = stats.get(family, {}).get(platform, {})
    dated = [version for version in versions if _DATE.fullmatch(version)]
    newest = [max(group, key=_order) for group in (dated, versions.keys() - set(dated)) if group]
    letters = {versions[version][:1] for version in newest}
    letter = min(letters, key=_WORST_FIRST.index, default="u")
    return "-" if letter == "u" else letter


def _day(text: str) -> str:
    """ISO 8601, also of a day without its noughts."""
    year, month, day = map(int, text.split("-"))
    return date(year, month, day).isoformat()


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _laid_out(table: Mapping[str, Any]) -> str:
    """JSON with one feature a line, so that a change can be read."""
    head = json.dumps({name: value for name, value in table.items() if name != "features"}, indent=1)
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in table["features"].items())
    return f'{head.removesuffix("}").rstrip()},\n "features": {{\n{rows}\n }}\n}}\n'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
