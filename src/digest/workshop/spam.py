"""What the operator's own spam filter says of a mail: rspamd over HTTP, or SpamAssassin's spamd.

Rules: asked only where `preview.spam_url` names a filter, and nobody else is: a mail is nobody's business. Nothing is
learnt or stored there. The filter's own rules are told by the filter's own names.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from digest.model.errors import DigestError
from digest.workshop.findings import Finding, Group, Severity

_TIMEOUT_S = 15.0
_LONGEST_REPLY = 1_000_000
_VERDICT = re.compile(r"^Spam:\s*\w+\s*;\s*(-?[\d.]+)\s*/\s*(-?[\d.]+)", re.MULTILINE | re.IGNORECASE)
_POINT = re.compile(r"^\s*(-?\d+\.\d+)\s+([A-Z][A-Z0-9_]+)\s+(.*)$", re.MULTILINE)
# A mail that is only looked at came by no relay: rspamd is told so, or it marks the missing one down.
_AS_FROM_HERE = {"Content-Type": "message/rfc822", "IP": "127.0.0.1", "Helo": "localhost", "Hostname": "localhost"}
_WORTH_A_LOOK = 0.4  # of the threshold


class SpamFilterUnavailable(DigestError):
    """The spam filter cannot be asked."""

    code = "spam-filter-unavailable"


@dataclass(frozen=True, slots=True)
class Symbol:
    """One rule that a filter applied, with its points; positive is bad."""

    name: str
    points: float
    says: str = ""


@dataclass(frozen=True, slots=True)
class SpamScore:
    """A filter's verdict. Spam begins at ``threshold``; ``symbols`` worst first."""

    program: str
    score: float
    threshold: float
    symbols: tuple[Symbol, ...]


def spam_score(eml: bytes, url: str, *, timeout_s: float = _TIMEOUT_S) -> SpamScore:
    """Ask the filter at ``url`` (``http://…`` rspamd, ``spamd://…``). Raises SpamFilterUnavailable."""
    parts = urlsplit(url)
    try:
        return _spamd(eml, parts, timeout_s) if parts.scheme == "spamd" else _rspamd(eml, parts, timeout_s)
    except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
        raise SpamFilterUnavailable(
            f"the spam filter at {url} gives no score: {error}",
            hint="check that it runs, and preview.spam_url in digest.toml",
        ) from error


def spam_findings(found: SpamScore) -> tuple[Finding, ...]:
    """The verdict, and every rule that cost points."""
    says = f"{found.program} gives {found.score:.1f} points; spam begins at {found.threshold:.1f}"
    if found.score >= found.threshold:
        severity = Severity.BREAKS
    elif found.score >= found.threshold * _WORTH_A_LOOK:
        severity = Severity.DEGRADES
    else:
        severity = Severity.NOTE
    hint = "" if severity is Severity.NOTE else "Look at the rules below; most are about words, pictures or links."
    costly = [
        Finding(
            f"spam-{one.name.lower().replace('_', '-')}",
            Severity.NOTE,
            Group.SPAM,
            f"{one.name} costs {one.points:.1f}" + (f": {one.says}" if one.says else ""),
        )
        for one in found.symbols
        if one.points > 0
    ]
    return (Finding("spam-score", severity, Group.SPAM, says, hint=hint), *costly)


def _rspamd(eml: bytes, parts: SplitResult, timeout_s: float) -> SpamScore:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port or 11333, timeout=timeout_s)
    try:
        connection.request("POST", f"{parts.path}/checkv2", eml, _AS_FROM_HERE)
        with connection.getresponse() as answer:
            raw = answer.read(_LONGEST_REPLY)
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"HTTP {answer.status}")
    said: dict[str, Any] = json.loads(raw)
    if "score" not in said:
        raise ValueError(str(said.get("error", "no score in its answer"))[:200])
    symbols = [
        Symbol(name, float(one.get("score", 0.0)), str(one.get("description") or ""))
        for name, one in said.get("symbols", {}).items()
    ]
    return SpamScore("rspamd", float(said["score"]), float(said["required_score"]), _worst_first(symbols))


def _spamd(eml: bytes, parts: SplitResult, timeout_s: float) -> SpamScore:
    """The SPAMC protocol, 1.5: one request and one answer on a connection."""
    with socket.create_connection((parts.hostname or "", parts.port or 783), timeout=timeout_s) as connection:
        connection.sendall(b"REPORT SPAMC/1.5\r\nContent-length: %d\r\n\r\n%b" % (len(eml), eml))
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            said = answer.read(_LONGEST_REPLY).decode(errors="replace")
    return read_report(said)


def read_report(said: str) -> SpamScore:
    """SpamAssassin's answer with its report. Raises ValueError for one without a verdict."""
    status = said.partition("\n")[0].split()
    if len(status) < 2 or not status[0].startswith("SPAMD/") or status[1] != "0":
        raise ValueError(" ".join(status)[:200] or "no answer")
    verdict = _VERDICT.search(said)
    if verdict is None:
        raise ValueError("no verdict in its answer")
    symbols = [Symbol(name, float(points), says.strip()) for points, name, says in _POINT.findall(said)]
    return SpamScore("SpamAssassin", float(verdict[1]), float(verdict[2]), _worst_first(symbols))


def _worst_first(symbols: list[Symbol]) -> tuple[Symbol, ...]:
    return tuple(sorted(symbols, key=lambda one: (-one.points, one.name)))
