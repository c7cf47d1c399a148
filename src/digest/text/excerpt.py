"""The teaser under a headline (collection.md §2.5: a publisher's description beats every summariser).

Rule: the publisher's description when it is 60–400 characters and says something; else the leading sentences
to about 260 characters. A sentence never ends at an abbreviation or at initials ("U.S.").
"""

from __future__ import annotations

import re

from digest.text.phrases import any_of

_MIN_DESCRIPTION, _MAX_DESCRIPTION = 60, 400
_TARGET = 260
#: Scripts that write a word in one or two characters say as much in half as many.
_DENSE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_ABBREVIATION_LIST = """
mr mrs ms dr prof gen sen rep gov lt col sgt cpl maj capt cmdr adm rev hon pres mt ft jr sr inc corp co ltd llc bros vs
dept est al etc approx jan feb apr jun jul aug sep sept oct nov dec ave blvd rd ed eds cf ca a.m p.m e.g i.e
m mme mlle mm bzw usw u.a z.b d.h str s.o o.ä v.a ggf evtl inkl zzgl vgl sog bspw
sig sra dr dra avda ee.uu ud uds excmo d ing arch avv dott egr spett on
t.ex bl.a dvs osv f.eks bl.a m.m tzv např tj tzn mgr inż tzw m.in np
т.е т.д т.п г гг им ул др тыс млн млрд руб проф акад
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_LIST.split())
# Only before a number: "No. 5", "S. 12", "Art. 3"; else they are words that may well end a sentence.
_BEFORE_NUMBER_LIST = (
    "no nos nr núm n num art fig vol pp p pg pág s sec ch kap abs § st min max op mon tue wed thu fri sat sun"
)
_BEFORE_NUMBER = frozenset(_BEFORE_NUMBER_LIST.split())
# Languages that write ordinals with a full stop: "am 3. Oktober", "19. Jahrhundert".
_DOTTED_ORDINAL_LIST = "de lb da nb nn no is fi et lv lt cs sk pl sl hr sr bs hu tr eu"
_DOTTED_ORDINALS = frozenset(_DOTTED_ORDINAL_LIST.split())
_MONTH_AFTER = re.compile(
    r"(?:jan|jän|feb|mär|mar|apr|mai|maj|may|jun|jul|aug|sep|okt|oct|nov|dez|dec|des|led|úno|bře|dub|kvě|čer|srp|zář|říj|lis"
    r"|pro|sty|lut|kwi|cze|lip|sie|wrz|paź|gru|tammi|helmi|maalis|huhti|touko|kesä|heinä|elo|syys|loka|marras|joulu)\w*\b",
    re.IGNORECASE,
)
# Latin full stop, question and exclamation marks; CJK ones, which need no space; Devanagari, Arabic, Urdu, Armenian,
# Ethiopic, Khmer and Burmese ones.
_END = re.compile(r"[.!?…]+[\"'”’»«)\]]*(?=\s)|[。！？]+[」』”’）]*|[।॥؟۔։።។။]+[\"”’»)]*(?=\s)")
_OTHER_ENDS = frozenset("。！？।॥؟۔։።។။")
_INITIALS = re.compile(r"(?:^|[\s(“\"'‘])(?:[^\W\d_]\.)+$")
_TAIL_WORD = re.compile(r"([^\s(“\"'‘]+)\.$")
_NUMBER_BEFORE = re.compile(r"(?:^|[\s(])\d{1,2}\.$")
_STARTS_SENTENCE = re.compile(r"[\"'“‘«»„(\[¿¡]*[^\Wa-zß-öø-ÿа-яё]")
_AGENCY = r"\((?:[A-Z]|taz|dpa|epd|afp|ots)[\w. /,-]{0,24}\)"
_DATE_IN_LINE = r",?\s+(?:\d{1,2}\.?\s+[^\W\d]{3,9}\.?|[^\W\d]{3,9}\.?\s+\d{1,2})(?:,?\s+\d{4})?"
_PLACE = r"[A-ZÀ-ÞЀ-Я][\w.'’/-]*(?:,?\s+(?:de\s+|am\s+|an\s+der\s+)?[A-ZÀ-ÞЀ-Я][\w.'’/-]*){0,5}"
_DATELINE = re.compile(  # "BERLIN (Reuters) - ", "New York, Aug. 20 - ", "TOKYO, 20 Aug (AP) — ", "PARIS — ", "(AP) — "
    rf"^{_PLACE},?\s*(?:{_AGENCY}|{_DATE_IN_LINE}(?:,?\s*{_AGENCY})?)\s*(?:[-–—:|]+|\.\s*[-–—])\s+"
    rf"|^[A-ZÀ-ÞЀ-Я][A-ZÀ-ÞЀ-Я .,'’/-]{{2,48}}\s*(?:{_AGENCY})?\s*[–—-]{{1,2}}\s+"
    rf"|^{_AGENCY}\s*[-–—:]+\s+"
)
_BYLINE = re.compile(r"^(?:by|von|par|por|di|door|av|text|autor(?:in)?|author)\s*:?\s+[^.!?]{2,60}$", re.IGNORECASE)
_STAMP = re.compile(
    r"^(?:published|updated|last updated|posted|first published|reading time|lesezeit|stand|veröffentlicht|aktualisiert"
    r"|publié|mis à jour|publicado|actualizado|pubblicato|aggiornato|gepubliceerd|temps de lecture)\b[^.!?]{0,80}$"
    r"|^\d+\s*(?:min(?:ute)?s?|minuten|minutos|minuti)\b[^.!?]{0,20}$",
    re.IGNORECASE,
)
_SAYS_NOTHING = re.compile(
    any_of(r"""
        continue reading|read more|read the (?:full|rest)|click here|keep reading|the post .{1,200} appeared first on
        comments?$|submitted by\b|view (?:full )?(?:article|post)
        weiterlesen|mehr lesen|lire la suite|leer más|seguir leyendo|leggi tutto|continua a leggere|leia mais
        lees (?:meer|verder)|läs mer|les mer|læs mere|czytaj (?:dalej|więcej)|читать далее|続きを読む|阅读全文
    """),
    re.IGNORECASE,
)
_CUT = re.compile(r"(?:\[\s*(?:…|\.\.\.|&hellip;)\s*\]|…|\.\.\.)\s*$")
_CLOSED = re.compile(r"[.!?…。！？।॥؟۔։።។။][\"'”’»)\]」』]*$")
_COMPARABLE = re.compile(r"\W+")


def teaser(description: str, *, title: str, text: str, language: str | None = None) -> str:
    """The teaser of an article: its ``description`` if that is a good one, else the lead of ``text``, else ``""``.

    All plain text. ``text`` has its paragraphs separated by line breaks. ``language`` (BCP 47) helps with sentences.
    """
    description = " ".join(description.split())
    if is_good_description(description, title=title, text=text):
        return _finished(description, language)
    if found := lead(_without_title(text, title), language=language):
        return _finished(found, language)
    if not description or _same(_CUT.sub("", description), title) or _SAYS_NOTHING.search(description):
        return ""
    return _shorten(_finished(description, language), _target(description))


def is_good_description(description: str, *, title: str, text: str = "") -> bool:
    """Whether a publisher's description can stand as the teaser: it says something, and is not cut.

    A description that is the beginning of ``text`` and stops within a sentence is cut, with dots or without.
    """
    share = _target(description) / _TARGET
    return (
        _MIN_DESCRIPTION * share <= len(description) <= _MAX_DESCRIPTION
        and not _same(description, title)
        and not _SAYS_NOTHING.search(description)
        and not _CUT.search(description)
        and (bool(_CLOSED.search(description)) or not _begins(text, description))
    )


def lead(text: str, *, target: int | None = None, language: str | None = None) -> str:
    """Whole sentences from the start of ``text`` up to ``target`` characters; a longer first one is cut at a word.

    The target is 260, and half of that where most characters are Chinese, Japanese or Korean.
    """
    target = target or _target(text)
    taken = ""
    for number, block in enumerate(_body_blocks(text)):
        for sentence in sentences(block, language=language):
            longer = f"{taken} {sentence}".strip()
            if len(longer) > target:
                return taken or _shorten(longer, target)
            taken = longer
        if number == 0 and len(taken) >= target // 2:
            break  # the first paragraph says enough; half of the next would only dangle
    return taken


def sentences(text: str, *, language: str | None = None) -> list[str]:
    """``text`` split into sentences, white space collapsed."""
    text = " ".join(text.split())
    is_dotted = (language or "").partition("-")[0].lower() in _DOTTED_ORDINALS
    found, start = [], 0
    for match in _END.finditer(text):
        if _ends_sentence(text, start, match, is_dotted=is_dotted):
            found.append(text[start : match.end()].strip())
            start = match.end()
    if rest := text[start:].strip():
        found.append(rest)
    return found


def _ends_sentence(text: str, start: int, match: re.Match[str], *, is_dotted: bool) -> bool:
    after = text[match.end() : match.end() + 12].lstrip()
    if match.group()[0] in _OTHER_ENDS:
        return True
    if not after or not _STARTS_SENTENCE.match(after):
        return False
    if match.group()[0] != "." or match.group().startswith(".."):
        return True
    before = text[max(start, match.start() - 24) : match.start() + 1]
    if _INITIALS.search(before):
        return False
    if _NUMBER_BEFORE.search(before) and (is_dotted or _MONTH_AFTER.match(after)):
        return False
    word = _TAIL_WORD.search(before)
    last = word.group(1).lower() if word else ""
    return not (last in _ABBREVIATIONS or (last in _BEFORE_NUMBER and after[0].isdigit()))


def _body_blocks(text: str) -> list[str]:
    """The paragraphs, without by-lines, time stamps and headings, and without the dateline of the first."""
    blocks = [" ".join(block.split()) for block in text.split("\n")]
    blocks = [block for block in blocks if block and not _BYLINE.match(block) and not _STAMP.match(block)]
    prose = [block for block in blocks if len(block) >= 40 or block[-1] in '.!?…。！？”"'] or blocks
    if prose:
        prose[0] = _DATELINE.sub("", prose[0], count=1)
    return [block for block in prose if block]


def _without_title(text: str, title: str) -> str:
    first, _, rest = text.lstrip().partition("\n")
    return rest if rest and _same(first, title) else text


def _same(one: str, other: str) -> bool:
    left, right = (_COMPARABLE.sub("", value).casefold() for value in (one, other))
    return left == right


def _begins(text: str, description: str) -> bool:
    """Whether ``text`` begins with ``description`` and goes on."""
    opening = _COMPARABLE.sub("", text[: 2 * len(description)]).casefold()
    own = _COMPARABLE.sub("", description).casefold()
    return len(opening) > len(own) and opening.startswith(own)


def _target(text: str) -> int:
    """Characters of a teaser in the script of ``text``."""
    sample = text[:400]
    return _TARGET // 2 if len(_DENSE.findall(sample)) * 2 > len(sample) else _TARGET


def _finished(text: str, language: str | None = None) -> str:
    """The text ending where a sentence does: feeds cut summaries in the middle of one, with or without dots.

    Whole sentences are kept where they say enough (60 characters); else the cut is shown with an ellipsis.
    """
    bare = _CUT.sub("", text).rstrip()
    if bare == text and (_CLOSED.search(text) or len(text) < _MIN_DESCRIPTION):
        return text
    whole = " ".join(sentence for sentence in sentences(bare, language=language) if _CLOSED.search(sentence))
    if len(whole) >= _MIN_DESCRIPTION:
        return whole
    return bare.rstrip(" ,;:–—-(.") + "…"


def _shorten(text: str, target: int) -> str:
    if len(text) <= target:
        return text
    cut = text[:target].rsplit(" ", 1)[0] if " " in text[:target] else text[:target]
    return cut.rstrip(" ,;:–—-(") + "…"
