"""The teaser under a headline (collection.md §2.5: a publisher's description beats every summariser).

Rule: the publisher's description when it is 60–400 characters and says something; else the leading sentences
to about 260 characters. A sentence never ends at an abbreviation or at initials ("U.S.").
"""

from __future__ import annotations

import re

_MIN_DESCRIPTION, _MAX_DESCRIPTION = 60, 400
_TARGET = 260
_ABBREVIATION_LIST = """
mr mrs ms dr prof gen sen rep gov lt col sgt cpl maj capt cmdr adm rev hon pres st mt ft jr sr inc corp co ltd
llc bros vs no nos approx dept est fig al etc jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed
thu thur thurs fri sat sun ave blvd rd min max vol pp op ed eds cf ca a.m p.m e.g i.e m mme mlle bzw ca usw
nr str z.b d.h u.a sig sra sr dra avda núm pág
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_LIST.split())
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”]*")
_INITIALS = re.compile(r"(?:^|[\s(“\"'‘])(?:[^\W\d_]\.)+$")
_TAIL_WORD = re.compile(r"([^\s(“\"'‘]+)\.$")
_STARTS_SENTENCE = re.compile(r"[\"'“‘«(\[¿¡]*[^\Wa-zß-öø-ÿ]")
_AGENCY = r"\([A-Z][\w. /-]{1,24}\)"
_DATELINE = re.compile(  # "BERLIN (Reuters) - ", "New York, Aug. 20 - ", "PARIS — ", "(AP) — "
    r"^(?:[A-ZÀ-Þ][\w.'’/-]*,?\s+){0,6}?[A-ZÀ-Þ][\w.'’/-]*,?\s*"
    rf"(?:{_AGENCY}|,\s+[A-Z][a-z]{{2,8}}\.?\s+\d{{1,2}})\s*[-–—:]+\s+"
    rf"|^[A-ZÀ-Þ][A-ZÀ-Þ .,'’/-]{{2,48}}\s*(?:{_AGENCY})?\s*[–—-]{{1,2}}\s+"
    rf"|^{_AGENCY}\s*[-–—]+\s+"
)
_BYLINE = re.compile(r"^(?:by|von|par|por|di)\s*:?\s+[^.!?]{2,60}$", re.IGNORECASE)
_STAMP = re.compile(
    r"^(?:published|updated|last updated|posted|first published|reading time)\b[^.!?]{0,80}$", re.IGNORECASE
)
_SAYS_NOTHING = re.compile(
    r"continue reading|read more|read the full|click here|keep reading|the post .{1,200} appeared first on|weiterlesen"
    r"|lire la suite|leer más|comments?$|submitted by\b|view (?:full )?(?:article|post)",
    re.IGNORECASE,
)
_CUT = re.compile(r"(?:\[\s*(?:…|\.\.\.|&hellip;)\s*\]|…|\.\.\.)\s*$")
_CLOSED = re.compile(r"[.!?…。！？][\"'”’»)\]」』]*$")
_COMPARABLE = re.compile(r"\W+")


def teaser(description: str, *, title: str, text: str) -> str:
    """The teaser of an article: its ``description`` if that is a good one, else the lead of ``text``, else ``""``.

    All plain text. ``text`` has its paragraphs separated by line breaks.
    """
    description = " ".join(description.split())
    if is_good_description(description, title=title):
        return _finished(description)
    if found := lead(_without_title(text, title)):
        return _finished(found)
    if not description or _same(_CUT.sub("", description), title) or _SAYS_NOTHING.search(description):
        return ""
    return _shorten(_finished(description), _TARGET)


def is_good_description(description: str, *, title: str) -> bool:
    """Whether a publisher's description can stand as the teaser."""
    return (
        _MIN_DESCRIPTION <= len(description) <= _MAX_DESCRIPTION
        and not _same(description, title)
        and not _SAYS_NOTHING.search(description)
        and not _CUT.search(description)
    )


def lead(text: str, *, target: int = _TARGET) -> str:
    """Whole sentences from the start of ``text`` up to ``target`` characters; a longer first one is cut at a word."""
    taken = ""
    for number, block in enumerate(_body_blocks(text)):
        for sentence in sentences(block):
            longer = f"{taken} {sentence}".strip()
            if len(longer) > target:
                return taken or _shorten(longer, target)
            taken = longer
        if number == 0 and len(taken) >= target // 2:
            break  # the first paragraph says enough; half of the next would only dangle
    return taken


def sentences(text: str) -> list[str]:
    """``text`` split into sentences, white space collapsed."""
    text = " ".join(text.split())
    found, start = [], 0
    for match in _END.finditer(text):
        if _ends_sentence(text, start, match):
            found.append(text[start : match.end()].strip())
            start = match.end()
    if rest := text[start:].strip():
        found.append(rest)
    return found


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    after = text[match.end() : match.end() + 8].lstrip()
    if match.group()[0] in "。！？":
        return True
    if not after or not _STARTS_SENTENCE.match(after):
        return False
    if match.group()[0] != "." or match.group().startswith(".."):
        return True
    before = text[max(start, match.start() - 24) : match.start() + 1]
    if _INITIALS.search(before):
        return False
    word = _TAIL_WORD.search(before)
    return not (word and word.group(1).lower() in _ABBREVIATIONS)


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


def _finished(text: str) -> str:
    """The text ending where a sentence does: feeds cut summaries in the middle of one, with or without dots.

    Whole sentences are kept where they say enough (60 characters); else the cut is shown with an ellipsis.
    """
    bare = _CUT.sub("", text).rstrip()
    if bare == text and (_CLOSED.search(text) or len(text) < _MIN_DESCRIPTION):
        return text
    whole = " ".join(sentence for sentence in sentences(bare) if _CLOSED.search(sentence))
    if len(whole) >= _MIN_DESCRIPTION:
        return whole
    return bare.rstrip(" ,;:–—-(.") + "…"


def _shorten(text: str, target: int) -> str:
    if len(text) <= target:
        return text
    cut = text[:target].rsplit(" ", 1)[0] if " " in text[:target] else text[:target]
    return cut.rstrip(" ,;:–—-(") + "…"
