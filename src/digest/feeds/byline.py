"""Who wrote a web page: names from JSON-LD, meta elements and by-lines, and nobody where nobody is named.

Rules: the site itself, its staff as a body, addresses and account names are no authors; an empty by-line means no
author, whatever is written further down. Several authors are joined by commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from digest.feeds import plaintext
from digest.feeds.pagefacts import Page, comparable, named, plain, text_of, types_of
from digest.text.phrases import any_of

_META_NAMES = """
author article:author article:author_name dc.creator dcterms.creator dc.contributor byl parsely-author sailthru.author
citation_author cxenseparse:author vr:author og:author
"""
_META = _META_NAMES.split()
_SAID_BEFORE = any_of(r"""
    (?:(?:written|posted|reported|words|story|text|article|published|reporting)\s+)?\bby\b
    (?:(?:geschrieben|veröffentlicht|erstellt)\s+)?\bvon\b
    (?:(?:publié|écrit|publicado|escrito|pubblicato|scritto|geplaatst|gepubliceerd)\s+)?\b(?:par|por|di|door)\b
    \b(?:av|af|przez)\b
    \b(?:author|autor(?:in|en|es)?(?:/autor)?|auteur|autore|автор|text(?: (?:&|und|and) \w+)?|texte|texto)\b(?!-)
    \bredaktion\b(?!-)
""")
_LABEL = r"(?:著者|作者|文|記者|记者|责编|責編|责任编辑|責任編輯|编辑|編集|글|기자)\s*[:：]"
_LEAD = re.compile(rf"^[(（]?(?:{_LABEL}|{_SAID_BEFORE}\s*[:：]?\s+(?=\S)|{_SAID_BEFORE}\s*[:：])\s*", re.IGNORECASE)
_SPLIT = re.compile(r"\s*(?:[,;/|•·&、，；]|\s(?:and|und|et|y|e|en|og|och|i|și|with|mit)\s)\s*")
_TAIL = re.compile(
    r"\s*(?:[(\[<（].*|\s[-–—|•·]\s.*|\b(?:on|am|le|el)\s+\d.*|,?\s*\b(?:published|updated|posted|last modified)\b.*"
    r"|\s@\w+.*|\b\w+\s+\d{1,2},\s+\d{4}.*|\s\d{4}[年/.-].*|\s+(?:기자|記者)\b.*)$",
    re.IGNORECASE | re.DOTALL,
)
_NOBODY_NAMES = """
admin, administrator, wordpressadmin, editor, editors, editorial, editorial team, editorial staff, redaktion, redaction
la rédaction, redacción, redazione, redactie, redaktionen, redakcja, staff, staff writer, staff writers, staff reporter
newsroom, news desk, web desk, webdesk, webmaster, author, authors, publisher, anonymous, unknown, guest, guest author
guest contributor, contributor, contributors, team, null, none, undefined, n/a, by, user, root, super user, system
default, wordpress, about the author, view all posts, see all posts, more by this author, posted, published, share
online, internet, website, news, the editors, our correspondent, press release, pressemitteilung, collectif
agencies, agenturen, agentur, agences, agencias, agenzie, twitter, facebook, instagram, twitter facebook
facebook twitter
"""
_NOBODY = frozenset(comparable(name) for name in re.split(r"[,\n]", _NOBODY_NAMES))
_NOT_A_NAME = re.compile(
    r"https?:|www\.|@|\.(?:com|org|net|de|fr|co|html?|php)\b|[<>{}=_#*]|\d{3}|[“”„«»?!]|\b(?:photograph|photo|foto|illustration)\b",
    re.IGNORECASE,
)
# A meta element names whoever the content system was set up for: on pages of firms and offices, the firm or office.
_BODY = re.compile(
    any_of(r"""
        \b(?:gmbh|ag|inc|ltd|llc|e\. ?v|ev|s\.?[al]|verein|verband|institut[eo]?|minister\w+|universit\w+)\b
        \bdeparte?ment\b
        \b(?:stiftung|foundation|association|agency|agentur|feuerwehr|abteilung|verlag|press(?:e|estelle)?|council)\b
        \b(?:society|gruppe|group|gesellschaft|genossenschaft\w*|bundesamt|behörde|office|amt|stadt|gemeinde|kirche)\b
        \b(?:zeitung|times|magazine?|radio|tv|medien|media|portal|club|weine|shop|hotel|praxis|kanzlei)\b|\w+blog\b
        \b\w+(?:verband|verein|ministerium|institut|stiftung|verlag|gesellschaft)\b
    """),
    re.IGNORECASE,
)
_AREA = re.compile(
    r"comment|related|recommend|sidebar|footer|teaser|promo|widget|newsletter|disqus|(?:^|[-_ ])bio|most-"
    r"|trending|popular|(?:^|[-_ ])nav|menu|gallery|caption|figure|next|previous",
    re.IGNORECASE,
)
_CLASS = re.compile(
    r"(?:^|[\s_-])(?:by-?lines?|authors?|auteurs?|autor(?:en|in)?|writers?|contributors?|signature|author-?names?)(?:$|[\s_-])"
    r"|author|byline",
    re.IGNORECASE,
)
_CLASS_OF_MORE = re.compile(
    r"avatar|quote|image|photo|picture|bio|social|follow|role|job|description|box|count|meta-?date", re.IGNORECASE
)
_PROFILE = re.compile(
    r"/(?:authors?|autor(?:en|es|in)?|auteurs?|by|people|staff|contributors?|reporters?|journalists?|writers?|signataires"
    r"|redakteure?|team|profil(?:e|es)?|person|experts?|columnists?|u)/[^/?#]+",
    re.IGNORECASE,
)
_PARTICLE_LIST = (
    "von van de der den di da la le el al bin ibn zu zum dos das do du del della ten ter af av y e i und and"
)
_PARTICLES = frozenset(_PARTICLE_LIST.split())
_DENSE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_MAX_DENSE_CHARS = 12
_MAX_NAME_CHARS = 60
_MAX_NAME_WORDS = 6
_MAX_MARKED_CHARS = 160
_BESIDE_SITE_LIST = """
news online redaktion team staff editors editor editorial com de org net fr it es co uk magazine magazin newsdesk desk
blog tv the die der das le la nachrichten digital redaction redazione redaccion web admin newsroom media wwwcom
"""
_BESIDE_SITE = frozenset(_BESIDE_SITE_LIST.split())
_MIN_SITE_CHARS = 3
_MAX_WRITTEN = 3
#: Elements looked at on a page, by each way of looking: articles have a few thousand, tables of data millions.
_MAX_ELEMENTS = 20_000
_LABELLED = re.compile(r"^(?:authors?|autor(?:in|en|es)?(?:/autor)?|auteurs?|autore|written by|text)\b", re.IGNORECASE)
_INLINE = frozenset({"a", "b", "strong", "em", "i", "span", "time", "small", "br"})
_MAX_INLINE = 4
_MAX_SHORT_CHARS = 80
_TEXT_CHARS = 120
_MAX_SIGNED_WORDS = 4
# Words that names do not have and headings do.
_TALKS = re.compile(
    r"\b(?:the|of|what|how|why|key|our|your|more|read|see|related|about|for|to|in|on|with|das|die|was|wie|warum|mehr|les|des"
    r"|que|los|las|il|per|news|update|live|breaking|watch|exclusive|opinion|analysis)\b|:",
    re.IGNORECASE,
)


def author(page: Page) -> str | None:
    """The names of the authors, joined by commas, or None.

    A site that names itself as the author of its article is believed last: a by-line on the page says more.
    """
    linked = _linked(page)
    people = [name for name in linked if not _is_site(name, page)] or _told(page) or _marked(page)
    if people:
        return ", ".join(people)
    written = _written(page)
    if written is not None:
        return written or None
    return ", ".join(_signed(page) or linked) or None


def _linked(page: Page) -> list[str]:
    """The authors in JSON-LD, the site itself among them where it says so."""
    for item in (page.linked, page.about):
        for key in ("author", "creator"):
            value = item.get(key)
            names: list[str] = []
            for one in value if isinstance(value, list) else [value]:
                names += _people(page.resolved(one), page)
            if names:
                return list(dict.fromkeys(names))
    return []


def _people(value: object, page: Page) -> list[str]:
    """The names in one author of JSON-LD: a person, a list within the list, or a text with several names."""
    if isinstance(value, list):
        return [name for one in value for name in _people(page.resolved(one), page)]
    if not isinstance(value, dict):
        return names_in(plain(text_of(value)), is_handle=True)
    listed = value.get("name")
    if isinstance(listed, list):
        return [name for one in listed for name in names_in(plain(named(one)), is_handle=True)]
    name = plain(named(value)) or plain(f"{text_of(value.get('givenName'))} {text_of(value.get('familyName'))}")
    if name and comparable(name) in page.site_names:
        return [name]  # "spiegel.de" is no name of a person, and is the answer all the same
    return [name] if "Organization" in " ".join(types_of(value)) and name else names_in(name, is_handle=True)


def _told(page: Page) -> list[str]:
    """The authors in meta elements: people only."""
    for key in _META if _is_article(page) else _META[1:2]:
        names: list[str] = []
        for raw in page.meta.get(key, ()):
            line = plain(raw)
            if not (_BODY.search(line) or _NOT_A_NAME.search(line) or _is_site(line, page)):
                names += names_in(line)
        if names:
            return list(dict.fromkeys(names))
    for number in ("1", "2", "3"):
        if re.search(r"written by|author|verfasst|von|par|por", page.first(f"twitter:label{number}"), re.IGNORECASE):
            return [name for name in names_in(page.first(f"twitter:data{number}")) if not _is_site(name, page)]
    return []


def _is_article(page: Page) -> bool:
    """Whether the page says in any way that it is an article: on others the author is whoever owns the site."""
    return bool(
        page.linked
        or page.first("og:type").casefold().endswith("article")
        or any(key.startswith(("article:", "parsely-", "sailthru.", "citation_")) for key in page.meta)
        or page.first(
            "date", "pubdate", "publish_date", "datepublished", "dc.date", "dc.date.issued", "dcterms.created"
        )
        or page.tree.find(".//article") is not None
        or page.tree.find(".//time") is not None
    )


def _marked(page: Page) -> list[str]:
    """The names in what the page marks as its author: by microdata or rel, by a class, by a link to a profile.

    Comments, lists of articles, captions and menus are left out; where one kind of mark gives a name, it decides.
    """
    found: tuple[list[str], ...] = ([], [], [])
    for node in islice(
        page.tree.iter("a", "span", "div", "p", "address", "cite", "li", "em", "strong", "small", "h5", "h4", "td"),
        _MAX_ELEMENTS,
    ):
        rank = _rank(node)
        if rank is None or found[rank] or len(line := _line(node)) > _MAX_MARKED_CHARS or _is_elsewhere(node):
            continue
        inner = node.xpath(".//*[@itemprop='name' or @rel='author'] | .//a[@href]") if rank == 0 or len(node) else []
        parts = [name for one in inner for name in names_in(_line(one), is_handle=rank == 0)]
        names = parts or names_in(line, is_handle=rank == 0)
        found[rank].extend(name for name in dict.fromkeys(names) if not _is_site(name, page))
    return next((names for names in found if names), [])


def _rank(node: Any) -> int | None:
    """How plainly an element is marked as the author: 0 by its meaning, 1 by its class, 2 by where it links to."""
    if node.get("rel") == "author" or "author" in (node.get("itemprop") or "").split():
        return 0
    classes = node.get("class") or ""
    if classes and _CLASS.search(classes) and not _CLASS_OF_MORE.search(classes):
        return 1
    return 2 if node.tag == "a" and _PROFILE.search(node.get("href") or "") else None


def _is_elsewhere(node: Any) -> bool:
    """Whether an element belongs to something beside the article, judged up to what holds the headline."""
    for up in node.iterancestors():
        if up.tag in {"body", "html", "main", "article"} or up.find(".//h1") is not None:
            return False
        if up.tag in {"aside", "footer", "nav", "figure"} or _AREA.search(
            f"{up.get('class') or ''} {up.get('id') or ''}"
        ):
            return True
    return False


def _written(page: Page) -> str | None:
    """The name in a plain by-line ("By: Jo Keller") among the small elements; ``""`` for an empty one."""
    for line in short_lines(page.tree):
        if (found := plaintext.byline(line)) is not None:
            return ", ".join(name for name in names_in(found) if not _is_site(name, page))
        if _LEAD.match(line) and (names := names_in(line)) and len(names) <= _MAX_WRITTEN:
            return ", ".join(name for name in names if not _is_site(name, page))
    for node in islice(page.tree.iter("li", "p", "div", "span", "td"), _MAX_ELEMENTS):  # "<b>Author</b> Jo Keller"
        if (
            0 < len(node) <= _MAX_INLINE
            and all(child.tag in _INLINE for child in node)
            and _LABELLED.match(line := _line(node))
        ):
            names = names_in(line) if len(line) <= _MAX_SHORT_CHARS else []
            if names:
                return ", ".join(names)
    return None


def _signed(page: Page) -> list[str]:
    """The name that is a paragraph of its own, in bold or italics, right before the text or right after it."""
    text = next((node for node in page.tree.iter("p") if len(_line(node)) >= _TEXT_CHARS), None)
    if text is None or text.getparent() is None:
        return []
    beside = [node for node in text.getparent().iterchildren("p") if _line(node)]
    before = beside[: beside.index(text)][-2:]
    for node in (*before, *beside[-1:]):
        line = _line(node)
        marked = "".join(_line(one) for one in node.iter("strong", "b", "em", "i"))
        if comparable(marked).startswith(comparable(line)) and len(line) <= _MAX_NAME_CHARS:
            names = names_in(line)
            if names and all(1 < len(name.split()) <= _MAX_SIGNED_WORDS and not _TALKS.search(name) for name in names):
                return names
    return []


def names_in(line: str, *, is_handle: bool = False) -> list[str]:
    """The people named in a by-line; empty when it names none. ``is_handle`` allows names in lower case."""
    line = _TAIL.sub("", _LEAD.sub("", " ".join(line.split()))).strip(" ,;:|-–—•·.\"')）")
    if not line or _NOT_A_NAME.search(line):
        return []
    found = []
    for part in _SPLIT.split(line):
        name = _LEAD.sub("", (part or "").strip(" ,;:|-–—•·\"'")).strip()
        if _could_be_name(name, is_handle=is_handle):
            found.append(name)
    return list(dict.fromkeys(found))


def short_lines(tree: Any) -> Iterator[str]:
    """Texts of small elements before the body, where by-lines and dates stand."""
    for node in islice(tree.iter("li", "span", "div", "p", "small", "time", "address", "em"), _MAX_ELEMENTS):
        if len(node) == 0 and 2 < len(line := " ".join((node.text or "").split())) <= _MAX_SHORT_CHARS:
            yield line


def _line(node: Any) -> str:
    """An element's text with a space wherever an element begins: "By<b>Ann" is two words."""
    return " ".join(" ".join(node.itertext()).split())


def _could_be_name(name: str, *, is_handle: bool) -> bool:
    words = name.split()
    return (
        1 < len(name) <= _MAX_NAME_CHARS
        and len(words) <= _MAX_NAME_WORDS
        and any(character.isalpha() for character in name)
        and comparable(name) not in _NOBODY
        and (is_handle or _is_written_as_name(name))
    )


def _is_written_as_name(name: str) -> bool:
    """Whether a text is written as people's names are: capitals (where the script has them), no figures."""
    if any(character.isdigit() for character in name) or (len(name) > _MAX_DENSE_CHARS and _DENSE.match(name)):
        return False
    words = name.split()
    return not words[0][0].islower() and all(not word[0].islower() or word in _PARTICLES for word in words)


def _is_site(name: str, page: Page) -> bool:
    """Whether a name is the site's, with or without a word that makes nobody of it ("Example News", "Team Example")."""
    own = comparable(name)
    return any(
        own == site or (len(site) >= _MIN_SITE_CHARS and site in own and own.replace(site, "", 1) in _BESIDE_SITE)
        for site in page.site_names
    )
