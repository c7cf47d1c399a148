"""What is furniture of a page and no part of its text: share bars, pointers to other articles, sign-up boxes.

Rules: a block is judged by its words alone and as a whole, never by its place; a long block is text. What points
elsewhere has to begin with the words that do so, and with a colon or a bar behind them.
"""

from __future__ import annotations

import re

from digest.feeds import plaintext
from digest.text import dates
from digest.text.phrases import any_of

_MAX_CHARS = 160
_MAX_DATE_CHARS = 50
_MONTHS = """
jan feb mar apr may jun jul aug sep oct nov dec jän fév avr mai jui aoû déc ene abr ago dic gen mag giu lug set ott out
mrt mei okt maj mär dez sty lut kwi cze lip sie wrz paź lis gru oca şub nis haz tem ağu eyl eki kas ara
янв фев мар апр мая май июн июл авг сен окт ноя дек led úno bře dub kvě čer srp zář říj pro
"""
_MONTH = "|".join(_MONTHS.split())
# A year with a day and a month beside it, in figures or in words: the parser of dates takes 30 ms to refuse a sentence.
_COULD_BE_DATE = re.compile(
    rf"\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2}}|\d{{4}}[./-]\d{{1,2}}[./-]\d{{1,2}}|\d{{4}}年"
    rf"|^(?=.*(?<!\d)(?:19|20)\d{{2}}(?!\d))(?=.*(?<!\d)\d{{1,2}}(?!\d))(?=.*\b(?:{_MONTH})[^\W\d]{{0,8}}\b)",
    re.IGNORECASE,
)

_NEVER_IN_DATES = re.compile(r"[@$€£&?!%#=]")
_OF_DATES = re.compile(rf"\b(?:{_MONTH})[^\W\d]{{0,8}}\b|[年月日時分]", re.IGNORECASE)
#: For a weekday, a label and a zone: "Veröffentlicht am Donnerstag, 3. April 2025".
_MAX_OTHER_LETTERS = 28

_WHOLE_LINE = any_of(r"""
    share|tweet|print|e-?mail|copy link|whatsapp|facebook|twitter|x|linkedin|pinterest|reddit|telegram|messenger
    flipboard
    save|comments?|reply|like|follow|subscribe|sign (?:up|in)|log ?in|register|menu|search|close|loading
    advertisement|advertisment|sponsored|promoted|anzeige|werbung|publicit[ée]|publicidad|pubblicità|publicidade
    annons
    reklame?|reklama|реклама|広告|广告
    continue reading|read more|read (?:the )?full (?:story|article)|story continues below(?: advertisement)?
    article continues (?:below|after)(?: (?:this )?(?:ad|advertisement))?
    skip (?:advertisement|ad|to content|past .{2,60})
    weiterlesen|mehr lesen|mehr zum thema|zum thema|lesen sie auch|lire aussi|à lire aussi|lire la suite
    sur le même sujet
    leer más|lea también|lee también|te puede interesar|leggi anche|leia (?:mais|também)|lees (?:ook|meer)
    läs (?:mer|också|även)|les også|læs også|lue myös|czytaj (?:też|także|więcej)|zobacz (?:też|także)
    читайте также|смотрите также|関連記事|相关阅读|相关新闻
    related(?: (?:articles?|stories|content|topics|posts|links|coverage|news))?
    recommended(?: (?:for you|stories|reading))?
    more (?:on this (?:story|topic)|stories|news)|you (?:may|might) also (?:like|be interested in)|also read|see also
    most (?:read|popular)|trending(?: now)?|top stories|latest (?:news|stories)|read next|up next|editors?['’]? picks?
    share (?:this|on|via|article|story).{0,40}|teilen|artikel teilen|partager|compartir|condividi|compartilhe
    (?:click|tap) here(?: to .{2,60})?|view (?:comments|gallery|all|more)|(?:load|show) more|leave a (?:comment|reply)
    (?:follow|like) us(?: on .{2,60})?|(?:image|photo|picture|bild|foto)s?(?: (?:credit|source|caption))?
    \d+ (?:comments?|shares?|kommentare?|commentaires?|comentarios?|reacties)
    (?:©|copyright|\(c\)) ?.{0,80}|(?:.{0,40} )?all rights reserved.{0,40}|alle rechte vorbehalten.{0,40}
""")
_POINTS_ELSEWHERE = any_of(r"""
    read (?:more|also|next|now)|also read|see also|related(?: (?:article|story|stories|coverage))?|more
    must read|recommended
    watch(?: (?:more|now|also))?|listen|don['’]t miss|up next|editor['’]?s? (?:note|pick)
    lesen sie (?:auch|mehr|hier)|mehr(?: zum thema| dazu)?|zum thema|auch interessant|siehe auch
    lire (?:aussi|également)
    à lire(?: aussi| également)?|lea (?:también|además)|lee (?:también|además)|leer (?:también|más)
    ver (?:también|además)
    leggi (?:anche|qui)|leia (?:também|mais)|veja (?:também|mais)|lees (?:ook|meer)|läs (?:mer|också|även)
    les også|læs også
    lue myös|czytaj (?:też|także|również)|zobacz (?:też|także)|читайте также
""")
_INVITES = any_of(r"""
    (?:please )?(?:sign up|subscribe|register|log ?in|click|tap|join|follow)\b.{0,80}\b(?:newsletter|inbox)\b
    (?:please )?(?:sign up|subscribe|register|log ?in)\b.{0,80}\b(?:e-?mail|updates|alerts|here|account|app|channel)\b
    (?:click|tap) here (?:to|for)\b|(?:follow|like|join) us (?:on|at)\b|download (?:our|the) .{0,40}\bapp\b
    follow .{0,60}\bon (?:facebook|twitter|x|instagram|telegram|whatsapp|youtube|threads|bluesky|google news)\b
    (?:get|receive) .{0,60}\b(?:in|to) your (?:inbox|e-?mail)\b|our newsletter\b|we (?:will|['’]ll) send you\b
    get latest news\b|have a (?:news )?tip\b|do you have (?:a story|information|a tip)\b
    abonnieren sie|jetzt abonnieren|newsletter (?:abonnieren|bestellen)|hier geht es zum\b
    sie möchten .{0,40}newsletter
    inscrivez-vous|abonnez-vous|recevez (?:notre|nos|chaque)|suscríbete|regístrate|apúntate|síguenos
    iscriviti|abbonati|seguici|inscreva-se|assine|siga .{0,30}\bno (?:instagram|whatsapp|facebook)|schrijf je in
    meld je aan
""")
_FURNITURE = re.compile(rf"^\W*{_WHOLE_LINE}\W*$", re.IGNORECASE)
_POINTER = re.compile(rf"^\W*{_POINTS_ELSEWHERE}\s*[:：|–—»>]\s*\S", re.IGNORECASE)
_INVITATION = re.compile(rf"^\W*{_INVITES}", re.IGNORECASE)


def day_line(line: str) -> dates.ParsedDate | None:
    """The date that a whole line is; None without a look at lines that cannot be one, which are most."""
    if len(line) > _MAX_DATE_CHARS or not _COULD_BE_DATE.search(line) or _NEVER_IN_DATES.search(line):
        return None
    if sum(map(str.isalpha, _OF_DATES.sub("", line))) > _MAX_OTHER_LETTERS:
        return None
    return plaintext.date_line(line)


def is_furniture(text: str) -> bool:
    """Whether a block of a page is furniture: by-lines and dates on a line of their own are, too."""
    if not any(character.isalnum() for character in text):
        return True
    if len(text) > _MAX_CHARS:
        return False
    bare = text.lstrip("-•· ").strip()
    return bool(
        _FURNITURE.match(text)
        or _POINTER.match(text)
        or _INVITATION.match(text)
        or plaintext.byline(bare) is not None
        or day_line(bare) is not None
    )
