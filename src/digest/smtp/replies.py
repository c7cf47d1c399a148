"""What a reply of the relay means for the message, the recipient and the run.

Rules of this file: pure and table-driven, the first rule that fits wins. Inside a class the enhanced code
(RFC 3463) and then the words decide; against the class of the basic code an enhanced code counts for nothing
(RFC 2034 §4). A permanent failure is not yet a dead address: what a reply says about the mailbox is a question of
its own (`smtp.mailbox`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """How far a conversation has come: the command whose reply is awaited. ``DOT`` is the end of the message."""

    CONNECT = "connect"
    TLS = "tls"
    LOGIN = "login"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


class Verdict(StrEnum):
    """What to do next.

    ``DEFERRED`` counts as an attempt; ``RELAY_BUSY`` and ``LOST`` do not, the message certainly was not accepted.
    ``DOUBT``: nobody can know whether it was (RFC 1047). ``RELAY_REFUSED`` stops the run: it is about us.
    ``PROVIDER_BUSY``: the reader's provider wants less from us; no attempt of this message, and no fault of the relay.
    """

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    RELAY_REFUSED = "relay-refused"
    RELAY_BUSY = "relay-busy"
    PROVIDER_BUSY = "provider-busy"
    NEEDS_SMTPUTF8 = "needs-smtputf8"
    LOST = "lost"
    DOUBT = "doubt"


#: Where RFC 2034 has it, or as qmail and Cisco write it: ``(#5.1.1)``, ``#5.1.0 Address rejected``.
_ENHANCED = re.compile(r"(?:(?:^|\n)\s*#?|\(#)([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. ``enhanced`` is the RFC 3463 code (``5.1.1``) or None; ``text`` may have several lines."""

    code: int
    enhanced: str | None
    text: str

    @classmethod
    def parse(cls, code: int, text: str) -> Reply:
        """Make one from what the connection read; undecodable octets become U+FFFD."""
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        found = _ENHANCED.search(shown)
        return cls(code, found[1] if found else None, shown)

    @property
    def detail(self) -> str:
        """The enhanced code without its class (``1.1``), or ``""`` where it has none or contradicts the code."""
        if self.enhanced is None or self.enhanced[0] != str(self.code)[0]:
            return ""
        return self.enhanced[2:]

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.text.split())}".strip()


@dataclass(frozen=True, slots=True)
class SendResult:
    """How one mail ended: the verdict, the reply that decided it (None if none was read), and the phase it was in."""

    verdict: Verdict
    reply: Reply | None
    phase: Phase


_RELAYING = (
    r"relay(?:ing)?(?: access)? (?:is )?(?:denied|not permitted|not allowed|prohibited|restricted)"
    r"|(?:unable|not (?:permitted|allowed)|cannot|do not) (?:to )?relay|(?:access|authentication) (?:is )?required"
)
#: A provider that asks for less, in its own words: too much, too fast, or too little known as yet.
_LESS = (
    r"rate.?limit|unusual rate|(?:unexpected|excessive) volume|user complaints|temporar\w+ (?:deferred|blocked)"
    r"|too many (?:recent )?(?:messages|connections|errors|concurrent)|frequency|throttl|low reputation|IP reputation"
    r"|server busy|try again later|refused, please try later"
)
#: Who speaks is not our relay: providers' and filters' own marks, and what a relay says when it quotes another host.
_ANOTHER_HOST = (
    r"gsmtp|google|yahoo|\[TSS?\d+\]|outlook|hotmail|live\.com|microsoft|icloud|apple\.com|\bme\.com|comcast|orange"
    r"|\bOFR|\bLPN|laposte|mail\.ru|yandex|\bqq\.com|gmx|web\.de|t-online|mimecast|proofpoint|barracuda|cloudmark"
    r"|\bhost \S+ (?:said|refused)|remote (?:host|server)"
)
_TROUBLED_PROVIDER = rf"(?=[\s\S]*(?:{_LESS}))[\s\S]*(?:{_ANOTHER_HOST})"  # both, in any order
_GREYLISTED = r"gr[ea]y.?list"
_TOO_BIG = r"(?:message|size).{0,40}(?:too (?:big|large)|exceeds)"
_ODD = r"(?![45]\d\d$).*"  # neither a success nor a failure code
_ANY = frozenset(Phase)
_ABOUT_READER = frozenset({Phase.RCPT, Phase.DATA, Phase.DOT})
_BEFORE_MAIL = frozenset({Phase.CONNECT, Phase.TLS, Phase.LOGIN})


@dataclass(frozen=True, slots=True)
class _Rule:
    """Fits when every given condition does. ``codes`` is matched against the basic code's digits."""

    verdict: Verdict
    codes: str
    details: frozenset[str] | None = None
    words: str | None = None
    phases: frozenset[Phase] = _ANY

    def fits(self, phase: Phase, reply: Reply) -> bool:
        return (
            phase in self.phases
            and re.fullmatch(self.codes, str(reply.code)) is not None
            and (self.details is None or reply.detail in self.details)
            and (self.words is None or re.search(self.words, reply.text, re.IGNORECASE) is not None)
        )


def _d(*details: str) -> frozenset[str]:
    return frozenset(details)


_V = Verdict
_RULES: tuple[_Rule, ...] = (
    # an answer to the wrong question: after the dot nobody can know, before it nothing was accepted
    _Rule(_V.ACCEPTED, "2..", phases=_ANY - {Phase.DATA}),
    _Rule(_V.ACCEPTED, "354", phases=frozenset({Phase.DATA})),
    _Rule(_V.DOUBT, _ODD, phases=frozenset({Phase.DOT})),
    _Rule(_V.LOST, _ODD),
    # DMARC alignment missing: our own DNS. With 421 it may be the relay's own trouble as well, and goes on
    _Rule(_V.RELAY_REFUSED, "4(?!21)..", _d("7.32")),
    # what the relay tells of the reader's provider, word for word; a greylist wants patience, not less mail
    _Rule(_V.DEFERRED, "4(?!21)..", words=_GREYLISTED, phases=_ABOUT_READER),
    _Rule(_V.PROVIDER_BUSY, "4(?!54)..", words=_TROUBLED_PROVIDER, phases=_ABOUT_READER),
    # the service as a whole
    _Rule(_V.RELAY_BUSY, "421"),
    _Rule(_V.RELAY_BUSY, "454"),
    _Rule(_V.RELAY_REFUSED, "53[0458]"),
    _Rule(_V.RELAY_REFUSED, "5..", phases=frozenset({Phase.LOGIN, Phase.TLS})),
    _Rule(_V.RELAY_BUSY, "[45]..", phases=_BEFORE_MAIL),
    _Rule(_V.RELAY_REFUSED, "50[0234]"),  # it does not understand us: the same for every recipient
    # the address needs what the relay has not (RFC 6531 §3.5)
    _Rule(_V.NEEDS_SMTPUTF8, "55[03]", _d("6.7", "6.9")),
    # about the sender, though some look like 5.1.x
    _Rule(_V.RELAY_REFUSED, "5..", _d("1.7", "1.8", "7.515", "7.26", "7.60", "3.4")),
    _Rule(_V.RELAY_REFUSED, "552", words=_TOO_BIG),
    # as 452 4.5.3: with one recipient a mail it means too many at present (RFC 5321 §4.5.3.1.10)
    _Rule(_V.RELAY_BUSY, "552", words=r"too many (?:recipients|rcpt)", phases=frozenset({Phase.RCPT})),
    _Rule(_V.RELAY_REFUSED, "5..", phases=frozenset({Phase.MAIL})),
    _Rule(_V.RELAY_REFUSED, "5..", words=_RELAYING, phases=frozenset({Phase.RCPT})),
    # the recipient has not been named yet, or the relay's own disk is full
    _Rule(_V.RELAY_BUSY, "4..", phases=frozenset({Phase.MAIL})),
    _Rule(_V.RELAY_BUSY, "452", _d("3.1", "5.3")),
    _Rule(_V.REJECTED, "4..", _d("2.2")),  # mailbox full: this issue is stale before it is emptied
    _Rule(_V.DEFERRED, "4.."),
    _Rule(_V.REJECTED, "5.."),
)


def classify(phase: Phase, reply: Reply) -> Verdict:
    """The verdict on a reply that was read in ``phase``. A 3xx or nonsense after the dot is DOUBT, before it LOST."""
    for rule in _RULES:
        if rule.fits(phase, reply):
            return rule.verdict
    return Verdict.DOUBT if phase is Phase.DOT else Verdict.LOST


_PROVIDER_TEXT = re.compile(
    r"spam|unsolicited|\bblock|blacklist|denylist|block.?list|spamhaus|\brbl\b|dnsbl|reputation|dmarc|\bspf\b|dkim"
    r"|polic(?:y|ies)|banned|cloudmark|virus|rejected by (?:content|filter)",
    re.IGNORECASE,
)


def is_block(reply: Reply) -> bool:
    """Whether a refusal is about policy, content or our reputation, so that the next mail there will meet it, too."""
    if not 500 <= reply.code <= 599 or reply.detail.startswith(("1.", "2.1", "2.2")):
        return False
    return reply.detail.startswith(("7.", "6.")) or _PROVIDER_TEXT.search(reply.text) is not None
