"""What is compared with what, and what is promised of it. Goals are floors, aims are what we want beyond them.

The numbers of goals and aims are those of the design; each ratio is taken inside a round and its median is judged.
CPU ratios are messages per CPU-second of the sending process; a bigger one is better unless it says "takes".
"""

from __future__ import annotations

from bench.content import CONTENT
from bench.findings import Group, comparison
from bench.importing import IMPORTING
from bench.kills import KILLS
from bench.measure import Case, at_least, at_most, cheaper, dearer, faster
from bench.outcomes import OUTCOMES
from bench.recording import RECORDING
from bench.relays import RELAYS
from bench.scale import SCALE
from bench.senders import Digest, five_round_trips, floor, nodemailer, plain_loop, smtp_source
from bench.sinks import SinkOptions

# Rivals.
PLAIN = "plain loop: aiosmtplib, EmailMessage, Jinja2, dkimpy, SQLite"
PLAIN_UNSIGNED = "plain loop without DKIM"
MAILER, MAILER_BASE64 = "nodemailer, pool, DKIM", "nodemailer, pool, DKIM, base64 (its fastest)"
FLOOR = "floor: SHA-256 and a bare RSA-2048 signature"
SOURCE = "smtp-source -d -s 10, unsigned (C)"
FIVE = "five round trips (listmonk's wire pattern), unsigned"
# The product, by what it signs with and what it speaks.
ONE_BY_ONE = "Digest, RSA, one command at a time"
RSA, RSA_CHUNKING = "Digest, RSA, PIPELINING", "Digest, RSA, CHUNKING"
BOTH = "Digest, RSA and Ed25519, PIPELINING"
UNSIGNED, UNSIGNED_CHUNKING = "Digest, unsigned, PIPELINING", "Digest, unsigned, CHUNKING"
POSTGRES = "Digest, RSA, PIPELINING, PostgreSQL"
# Sinks.
_FREE = SinkOptions(is_pinned=False)
_TLS = SinkOptions(tls=True)
_FAR = SinkOptions(rtt_ms=20)
_SMTP_SINK = SinkOptions(postfix=True)

CPU = comparison(
    "cpu",
    "What a message costs",
    "The sink has core 0, the sender core 1. CPU is user and system time of the sending process, start-up taken off.",
    cases=[
        Case(name=PLAIN, sender=plain_loop(signs=True), count=150),
        Case(name=PLAIN_UNSIGNED, sender=plain_loop(signs=False), count=300),
        Case(name=MAILER, sender=nodemailer(), count=600),
        Case(name=MAILER_BASE64, sender=nodemailer(encoding="base64"), count=600),
        Case(name=FLOOR, sender=floor(), count=3000, reaches_sink=False),
        Case(name=SOURCE, sender=smtp_source(), count=15_000),
        Case(name=ONE_BY_ONE, sender=Digest(signs="rsa", pipelining=False), count=10_000),
        Case(name=RSA, sender=Digest(signs="rsa"), count=20_000),
        Case(name=RSA_CHUNKING, sender=Digest(signs="rsa", chunking=True), count=20_000),
        Case(name=BOTH, sender=Digest(signs="both"), count=20_000),
        Case(name=UNSIGNED, sender=Digest(), count=20_000),
        Case(name=UNSIGNED_CHUNKING, sender=Digest(chunking=True), count=20_000),
        Case(name=POSTGRES, sender=Digest(signs="rsa", database="postgres"), count=20_000),
    ],
    goals=[
        cheaper("G1", "signed, against the plain loop", RSA, PLAIN, goal=at_least(30), aim=at_least(40)),
        cheaper("G2", "signed, against nodemailer", RSA, MAILER, goal=at_least(9), aim=at_least(12)),
        cheaper("G2", "signed, against nodemailer with base64", RSA, MAILER_BASE64, goal=at_least(8), aim=at_least(10)),
        dearer("G3", "signed, takes times the floor", RSA, FLOOR, goal=at_most(1.65), aim=at_most(1.35)),
        dearer("G3", "signed, CHUNKING, takes", RSA_CHUNKING, FLOOR, goal=at_most(1.65), aim=at_most(1.25)),
        cheaper("G4", "unsigned, against smtp-source", UNSIGNED, SOURCE, goal=at_least(0.55), aim=at_least(1)),
        cheaper("G4", "unsigned, CHUNKING, against smtp-source", UNSIGNED_CHUNKING, SOURCE, goal=None, aim=at_least(1)),
    ],
)

SMTP_SINK = comparison(
    "smtp-sink",
    "Into Postfix's smtp-sink",
    "smtp-sink reads byte by byte and is itself the limit here: the figures are messages a second, not costs.",
    cases=[
        Case(name=SOURCE, sender=smtp_source(), count=8000, sink=_SMTP_SINK),
        Case(name=UNSIGNED, sender=Digest(), count=8000, sink=_SMTP_SINK),
        Case(name=RSA, sender=Digest(signs="rsa"), count=8000, sink=_SMTP_SINK),
    ],
    goals=[
        faster("G4", "unsigned, against smtp-source", UNSIGNED, SOURCE, goal=at_least(0.95)),
        faster("G5", "signed, against unsigned smtp-source", RSA, SOURCE, goal=at_least(0.6)),
    ],
)

LATENCY = comparison(
    "latency",
    "A relay 20 ms away",
    "Every reply comes 20 ms late; ten connections. A delay line has no congestion window: a cold connection over a "
    "real network takes longer to get going.",
    cases=[
        Case(name=FIVE, sender=five_round_trips(), count=400, sink=_FAR),
        Case(name=MAILER, sender=nodemailer(), count=400, sink=_FAR),
        Case(name=SOURCE, sender=smtp_source(), count=400, sink=_FAR),
        Case(name=RSA, sender=Digest(signs="rsa"), count=2000, sink=_FAR),
        Case(name=RSA_CHUNKING, sender=Digest(signs="rsa", chunking=True), count=8000, sink=_FAR),
    ],
    goals=[
        faster("G6", "PIPELINING, against five round trips", RSA, FIVE, goal=at_least(4.5)),
        faster("G6", "PIPELINING, against nodemailer", RSA, MAILER, goal=at_least(2.5)),
        faster("G7", "CHUNKING, against five round trips", RSA_CHUNKING, FIVE, goal=at_least(15), aim=at_least(25)),
        faster("G7", "CHUNKING, against nodemailer", RSA_CHUNKING, MAILER, goal=at_least(10)),
    ],
)

_ONE_CORE, _TWO_CORES, _TWO_PROCESSES = "one core", "two cores, one process", "two cores, two processes"


def _on_cores(chunking: bool, database: str = "sqlite") -> list[Case]:  # noqa: FBT001 - read once, below
    """The same work on one core, on two, and by two processes; the sink takes its share of both cores."""
    words = f"{'CHUNKING' if chunking else 'PIPELINING'}{', PostgreSQL' if database == 'postgres' else ''}"
    ways = {_ONE_CORE: (1, True), _TWO_CORES: (1, False), _TWO_PROCESSES: (2, False)}
    return [
        Case(
            name=f"Digest, RSA, {words}, {way}",
            sender=Digest(signs="rsa", chunking=chunking, database=database, processes=processes, state="sending"),
            count=20_000,
            sink=_FREE,
            is_pinned=is_pinned,
        )
        for way, (processes, is_pinned) in ways.items()
    ]


def _case(chunking: str, way: str) -> str:
    return f"Digest, RSA, {chunking}, {way}"


CORES = comparison(
    "cores",
    "Two cores",
    "The sink runs on the same two cores, and so does the PostgreSQL server. On SQLite two processes are two "
    "`digest run` on one file, on PostgreSQL two `digest worker`.",
    cases=[*_on_cores(chunking=True), *_on_cores(chunking=False), *_on_cores(chunking=False, database="postgres")],
    goals=[
        faster(
            "G8",
            "CHUNKING, one process on two cores, against one core",
            _case("CHUNKING", _TWO_CORES),
            _case("CHUNKING", _ONE_CORE),
            goal=at_least(1.5),
        ),
        faster(
            "G8",
            "CHUNKING, two processes, against one core",
            _case("CHUNKING", _TWO_PROCESSES),
            _case("CHUNKING", _ONE_CORE),
            goal=at_least(1.7),
            aim=at_least(1.8),
        ),
        faster(
            "G8",
            "PIPELINING, one process on two cores, against one core",
            _case("PIPELINING", _TWO_CORES),
            _case("PIPELINING", _ONE_CORE),
            goal=None,
        ),
        faster(
            "G8",
            "PIPELINING, two processes, against one core",
            _case("PIPELINING", _TWO_PROCESSES),
            _case("PIPELINING", _ONE_CORE),
            goal=None,
        ),
        faster(
            "G8",
            "two workers on PostgreSQL, against one core",
            _case("PIPELINING, PostgreSQL", _TWO_PROCESSES),
            _case("PIPELINING, PostgreSQL", _ONE_CORE),
            goal=None,
        ),
    ],
)

_OVER_TLS, _MAILER_OVER_TLS = f"{RSA}, STARTTLS", f"{MAILER}, STARTTLS"
TLS = comparison(
    "tls",
    "Encrypted",
    "STARTTLS with a throw-away certificate that both sides check.",
    cases=[
        Case(name=RSA, sender=Digest(signs="rsa"), count=20_000),
        Case(name=_OVER_TLS, sender=Digest(signs="rsa", tls=True), count=20_000, sink=_TLS),
        Case(
            name=f"{RSA_CHUNKING}, STARTTLS",
            sender=Digest(signs="rsa", chunking=True, tls=True),
            count=20_000,
            sink=_TLS,
        ),
        Case(name=f"{UNSIGNED}, STARTTLS", sender=Digest(tls=True), count=20_000, sink=_TLS),
        Case(name=_MAILER_OVER_TLS, sender=nodemailer(tls=True), count=500, sink=_TLS),
    ],
    goals=[
        dearer("G9", "signed over TLS, takes times the same in the clear", _OVER_TLS, RSA, goal=at_most(1.2)),
        cheaper("G9", "signed over TLS, against nodemailer over TLS", _OVER_TLS, _MAILER_OVER_TLS, goal=at_least(9)),
    ],
)

#: In the order in which they run: what needs a quiet machine most comes first.
GROUPS: tuple[Group, ...] = (
    CPU,
    SMTP_SINK,
    LATENCY,
    CORES,
    TLS,
    CONTENT,
    OUTCOMES,
    RECORDING,
    KILLS,
    RELAYS,
    IMPORTING,
    SCALE,
)
