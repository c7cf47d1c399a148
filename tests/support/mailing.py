"""Issues of many kinds through the product to a real sink: what is mailed here is what verifiers get to see.

Publications in several scripts and directions, senders with international domains, headlines of any length, readers
with odd addresses and languages of their own, and an operator's templates that put slots where it hurts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Any

from digest.app.container import Container
from digest.app.line import Line
from digest.app.run import run
from digest.collect.check import add_source
from digest.engine.local import LocalEngine
from digest.mime.address import parse_address
from digest.mime.dkim import DkimKey
from digest.model.issue import IssueState
from digest.model.publication import Cadence, CadenceRule
from digest.model.subscriber import Format
from digest.store.engine import Store, Tx
from support.dkimkeys import ed25519_key, ed25519_pem, rsa_key, rsa_pem
from support.factories import make_publication, make_subscriber, make_subscription
from support.paper import MORNING, write_article
from support.sending import make_container
from support.sink import Sink, start_sink


@dataclass(frozen=True)
class Paper:
    """A publication and what it prints. ``domain`` is its sender's in A-labels."""

    slug: str
    sender_email: str
    domain: str
    headline: str
    words: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


_SENTENCE = "The last night train left the harbour at eleven, and everybody who was on it knew somebody who was not. "
PAPERS = (
    Paper("morning", "desk@example.com", "example.com", "Night trains return", _SENTENCE * 3),
    Paper(
        "kiosk",
        "redaktion@bücher.example",
        "xn--bcher-kva.example",
        "„Größte Überraschung“: Warum die Straßenbahn früher fährt, als der Fahrplan es erlaubt, und wer dafür haftet",
        "Es war einmal ein Fahrplan, der stimmte. Dann kamen Übermut, Ärger und die Oberbürgermeisterin. " * 4,
        {"sender_name": "Bücher, „Kiosk“ & Söhne", "name": "Der Kiosk – täglich", "locale": "de"},
    ),
    Paper(
        "sharp",
        "desk@straße.example",
        "xn--strae-oqa.example",
        "A\u00a0headline with 'quotes', \"more\", <tags>, & a =?utf-8?q?word?= that looks encoded",
        ".\n\n..\n\nFrom here on it is difficult =3D. " * 3 + _SENTENCE,
        {"sender_name": 'The "Sharp" \\ Desk', "reply_to": "ombud@straße.example"},
    ),
    Paper(
        "sahafa",
        "news@example.com",
        "example.com",
        "عودة القطارات الليلية إلى المدينة بعد عشرين عامًا من الغياب، والركاب يحتفلون على الأرصفة",
        "غادر آخر قطار ليلي الميناء في الحادية عشرة، وكان كل من فيه يعرف شخصًا لم يلحق به. " * 4,
        {"sender_name": "صحيفة الصباح", "name": "الصباح", "locale": "ar"},
    ),
    Paper(
        "iton",
        "news@news.example.com",
        "news.example.com",
        "רכבות הלילה חוזרות (גם ב-2026): 7 דברים שכדאי לדעת",
        "רכבת הלילה האחרונה יצאה מן הנמל באחת עשרה, וכל מי שהיה בה הכיר מישהו שלא היה. " * 4,
        {"sender_name": "עיתון הבוקר", "name": "Iton / עיתון", "locale": "he"},
    ),
    Paper(
        "shimbun",
        "desk@例え.example",
        "xn--r8jz45g.example",
        "夜行列車が二十年ぶりに街へ戻り、" * 12,
        "最後の夜行列車は十一時に港を出た。乗っていた人は皆、乗れなかった誰かを知っていた。" * 12,
        {"sender_name": "朝の新聞👩‍👩‍👧", "name": "朝の新聞", "locale": "ja"},
    ),
    Paper(
        "awkward",
        "desk@example.com",
        "example.com",
        "x" * 200,
        _SENTENCE,
        {"template": "awkward", "sender_name": "", "name": "Awkward"},
    ),
)
# What an operator's own templates may do to slots: at the start, at the end, side by side, doubled, in attributes,
# behind a dot, after 75 letters, between blanks. The web view has none.
_SET = (
    "{% set mail, link, day = (slots.email, slots.unsubscribe_url, slots.signed_up_on) if personal else ('', '', '') %}"
)
_SLOTS = "{{ mail }}{{ link }}{{ day }}"
_SHOWN = "{{ lead.title }}\n{{ publication.postal_address }}\n"
AWKWARD = {
    "subject.txt": "{{ subject }}",
    "body.txt": f"{_SET}{_SLOTS}\n.{_SLOTS}\n{'x' * 75}{_SLOTS}=\n \t{{{{ mail }}}} \t\n..{{{{ mail }}}}\n"
    f"From {{{{ mail }}}}\n\n\n{_SHOWN}{{{{ link }}}}",
    "body.html": f"{_SET}<html><body title='{{{{ mail }}}}'>{_SLOTS}<a href=\"{{{{ link }}}}\">leave</a>.{{{{ mail }}}}"
    f"<p>{'y' * 75}{_SLOTS}</p>\n.\n{_SHOWN}</body></html>{{{{ mail }}}}",
}
LANGUAGES = ("", "en", "de", "ar", "he", "ja", "zh", "hi", "th", "ru", "pt-BR")
_ADDRESSES = (
    "ann@example.org",
    "o'neil+tag=x%20@example.org",
    "a.b-c_d!#$&*/?^`{|}~@example.org",
    f"{'l' * 64}@{'d' * 60}.example.org",
    "leser@münchen.example",
    "читатель@пример.example",
    "jörg@example.org",
)


def keys_for(papers: Sequence[Paper], *, with_ed25519: bool) -> list[DkimKey]:
    """An RSA key for each sender's domain, and an Ed25519 key beside it. The one of a domain serves those below it."""
    domains = sorted({paper.domain.removeprefix("news.") for paper in papers})
    return [kind(domain) for domain in domains for kind in ((rsa_key, ed25519_key) if with_ed25519 else (rsa_key,))]


def readers_of(paper: Paper) -> Iterable[tuple[str, str, Format]]:
    """Address, locale and format of each reader: odd addresses in the paper's own language, and every language."""
    for number, address in enumerate(_ADDRESSES):
        yield address, "", (Format.HTML, Format.TEXT)[number % 2]
    for number, locale in enumerate(LANGUAGES):
        yield (
            f"{paper.slug}.{number}@example.net",
            locale,
            (Format.TEXT, Format.HTML)[(number + PAPERS.index(paper)) % 2],
        )


def mail_everything(store: Store, folder: Path, keys: Sequence[DkimKey], **relay: Any) -> Sink:
    """Run every paper once, signed with ``keys``; gives the sink that took it all, stopped."""
    _write_templates(folder / "templates" / "email" / "awkward")
    with start_sink(folder, chunking=True) as sink:
        container = make_container(
            store,
            relays={"default": {"host": sink.host, "port": sink.port, **relay}},
            dkim=[_entry(folder, key) for key in keys],
            site={"base_url": "https://news.example.com", "templates": str(folder / "templates")},
        )
        for paper in PAPERS:
            line = _set_up(container, paper, folder)
            result = asyncio.run(run(line, line.publication.cadences[0]))
            assert result.issue.state is IssueState.SENT, paper.slug
            assert not result.tally.failures, (paper.slug, result.tally.failures)
    return sink


def _set_up(container: Container, paper: Paper, folder: Path) -> Line:
    articles = folder / f"articles-{paper.slug}"
    write_article(articles, "a", title=paper.headline.replace('"', "”"), words=paper.words)
    write_article(articles, "b")
    with container.store.write() as tx:
        daily = Cadence("daily", CadenceRule.DAILY, time(7, 0))
        publication = make_publication(
            tx, paper.slug, sender_email=paper.sender_email, timezone="UTC", cadence=daily, **paper.more
        )
        for email, locale, kind in readers_of(paper):
            _add_reader(tx, publication, email, locale=locale, kind=kind)
    asyncio.run(add_source(container.store, publication.id, str(articles), settings=container.settings, now=MORNING))
    return Line(container, publication, LocalEngine(), lambda: MORNING)


def _add_reader(tx: Tx, publication: Any, email: str, *, locale: str, kind: Format) -> None:
    make_subscriber(tx, email, locale=locale or None)
    make_subscription(tx, publication, parse_address(email).email, format=kind)


def _entry(folder: Path, key: DkimKey) -> dict[str, str]:
    path = folder / f"{key.algorithm}.pem"
    path.write_bytes(rsa_pem() if key.algorithm.startswith("rsa") else ed25519_pem())
    path.chmod(0o600)
    return {"domain": key.domain, "selector": key.selector, "key_file": str(path)}


def _write_templates(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, text in AWKWARD.items():
        (folder / name).write_text(text, encoding="utf-8")
