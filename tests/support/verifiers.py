"""Two verifiers of DKIM signatures that share no code with us nor with each other: dkimpy, and mailauth on Node.

Both get the public keys from a zone that is given to them; neither asks the DNS. `make verify` and `make test` install
mailauth below `.venv` (tools/machine.sh) where npm is there.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dkim

from digest.mime.dkim import DkimKey

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / ".venv" / "mailauth"
_DRIVER = Path(__file__).with_name("mailauth.mjs")
_NODE_MIN = (20, 18)  # what mailauth 4.13 asks for


def zone_of(keys: Sequence[DkimKey]) -> dict[str, str]:
    """The records that publish these keys."""
    return dict(key.dns_record() for key in keys)


def by_dkimpy(wire: bytes, zone: Mapping[str, str]) -> list[bool]:
    """For each signature from the top, whether dkimpy says that it verifies."""
    published = {f"{name}.".encode(): text.encode() for name, text in zone.items()}
    checker = dkim.DKIM(wire)
    count = len(re.findall(rb"^DKIM-Signature:", wire.partition(b"\r\n\r\n")[0], re.MULTILINE))
    return [_passes(checker, index, published) for index in range(count)]


def _passes(checker: dkim.DKIM, index: int, published: Mapping[bytes, bytes]) -> bool:
    try:
        return bool(checker.verify(index, dnsfunc=lambda name, timeout=5: published.get(name)))  # noqa: ARG005 - dkimpy passes both
    except dkim.DKIMException:
        return False


@dataclass(frozen=True, slots=True)
class Opinion:
    """What mailauth says of one signature. ``aligned`` is the domain that agrees with From's for DMARC, or empty."""

    selector: str
    domain: str
    result: str
    comment: str
    aligned: str


def node() -> str | None:
    """The node program, if this machine has one that is new enough for mailauth."""
    found = shutil.which("node")
    if found is None:
        return None
    said = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
    version = tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2])
    return found if version >= _NODE_MIN else None


def by_mailauth(wires: Mapping[str, bytes], zone: Mapping[str, str]) -> dict[str, list[Opinion]]:
    """For each mail by its name, mailauth's opinion of each signature from the top; an unsigned mail has none."""
    program = node()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="digest-mailauth-") as name:
        folder = Path(name)
        (folder / "zone.json").write_text(json.dumps(zone))
        for number, wire in enumerate(wires.values()):
            (folder / f"{number:06d}.eml").write_bytes(wire)
        command = [program, _DRIVER, INSTALLED, folder, folder / "zone.json"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert len(told) == len(wires)
    return {
        name: [Opinion(**one) for one in told[f"{number:06d}.eml"] if one["result"] != "none"]
        for number, name in enumerate(wires)
    }
