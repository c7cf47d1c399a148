"""Whether tags are nested as they must be, by the HTML a template wrote and with the line of the tag that is wrong.

Rules: browsers mend bad nesting silently, each mail client in its own way, so it is looked for before anything does.
End tags that HTML lets one leave out (``</li>``, ``</p>``, ``</td>`` …) may be left out here, too. What stands in
comments is not looked at: Outlook's conditional tables open in one comment and close in another.
"""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser

from digest.workshop.page import SOURCE, Place, split_mark

_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_OPTIONAL_END = frozenset(
    ["li", "p", "td", "th", "tr", "tbody", "thead", "tfoot", "dt", "dd", "option", "body", "html"]
)
_P_CLOSERS = """
address article aside blockquote center div dl fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr main nav ol p pre
section table ul
"""
_CLOSES_P = frozenset(_P_CLOSERS.split())
#: Start tag → open elements of the same level that it closes.
_CLOSES = {
    "li": {"li"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
    "td": {"td", "th"},
    "th": {"td", "th"},
    "tr": {"tr", "td", "th"},
    "tbody": {"tbody", "thead", "tr", "td", "th"},
    "tfoot": {"tbody", "thead", "tr", "td", "th"},
}
#: An implied end goes no further up than this.
_BARRIER = frozenset({"table", "td", "th", "ul", "ol", "dl", "div", "body"})
_ROWS_ONLY = frozenset({"table", "tbody", "thead", "tfoot", "tr"})
_IN_TABLE = {
    "table": {"tbody", "thead", "tfoot", "tr", "caption", "colgroup", "col"},
    "tbody": {"tr"},
    "thead": {"tr"},
    "tfoot": {"tr"},
    "tr": {"td", "th"},
}
_LET_IN = frozenset({"script", "style", "template", "form", "input"})


@dataclass(frozen=True, slots=True)
class Misnested:
    """One fault: what, and the tag or text it is about. ``place`` is where it was written."""

    rule: str
    says: str
    hint: str
    place: Place


def misnested(html: str) -> list[Misnested]:
    """The faults of a document whose tags carry ``data-src``, in order."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.finish()


@dataclass(frozen=True, slots=True)
class _Open:
    tag: str
    place: Place
    row: int


class _Reader(HTMLParser):
    """Keeps the stack of what is open."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._stack: list[_Open] = []
        self._found: list[Misnested] = []
        self._last: Place = (None, None)
        self._last_row = 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        row = self.getpos()[0]
        mark = next((value for name, value in attrs if name == SOURCE and value), None)
        place = split_mark(mark) if mark else self._here(row)
        self._last, self._last_row = place, row
        self._look_at_attributes(tag, attrs, place)
        self._close_implied(tag)
        self._look_at_parent(tag, place)
        if tag not in _VOID:
            self._stack.append(_Open(tag, place, row))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        depth = next((depth for depth in range(len(self._stack) - 1, -1, -1) if self._stack[depth].tag == tag), None)
        inside = {one.tag for one in self._stack[depth + 1 :]} if depth is not None else set()
        if depth is None or ("table" in inside and tag != "table" and tag not in {"body", "html", "div"}):
            self._add(
                "stray-end-tag",
                f"</{tag}> closes nothing that is open",
                "Take it out, or open what it closes.",
                self._here(self.getpos()[0]),
            )
            return
        for one in self._stack[depth + 1 :]:
            if one.tag not in _OPTIONAL_END:
                self._unclosed(one)
        del self._stack[depth:]

    def handle_data(self, data: str) -> None:
        if data.strip() and self._stack and self._stack[-1].tag in _ROWS_ONLY:
            self._add(
                "text-in-table",
                f"Text between rows or cells is thrown out of the table: “{' '.join(data.split())[:40]}”",
                "Put it into a <td>.",
                self._here(self.getpos()[0] + data[: len(data) - len(data.lstrip())].count("\n")),
            )

    def finish(self) -> list[Misnested]:
        for one in self._stack:
            if one.tag not in _OPTIONAL_END:
                self._unclosed(one)
        return self._found

    def _look_at_parent(self, tag: str, place: Place) -> None:
        parent = self._stack[-1].tag if self._stack else ""
        if parent in _IN_TABLE and tag not in _IN_TABLE[parent] | _LET_IN:
            self._add(
                "element-in-table",
                f"<{tag}> straight in <{parent}> is thrown out of the table",
                "Put it into a <td>.",
                place,
            )
        if tag == "a" and any(one.tag == "a" for one in self._stack):
            self._add("nested-link", "A link in a link: the outer one ends here", "Close the outer <a> before.", place)
        if tag in {"td", "th"} and parent not in {"tr", ""}:
            self._add("stray-cell", f"<{tag}> outside of a <tr> is dropped", "Put it into a row of a table.", place)
        if tag == "tr" and parent not in {"table", "tbody", "thead", "tfoot", ""}:
            self._add("stray-row", "<tr> outside of a <table> is dropped", "Put it into a table.", place)

    def _look_at_attributes(self, tag: str, attrs: list[tuple[str, str | None]], place: Place) -> None:
        names = [name for name, _ in attrs]
        for name in dict.fromkeys(one for one in names if names.count(one) > 1 and one != SOURCE):
            self._add(
                "attribute-twice",
                f"<{tag}> has {name} twice; the second is lost",
                "Write it once.",
                place,
            )

    def _close_implied(self, tag: str) -> None:
        closing = _CLOSES.get(tag, set()) | ({"p"} if tag in _CLOSES_P else set())
        for depth in range(len(self._stack) - 1, -1, -1):
            name = self._stack[depth].tag
            if name in closing:
                for one in self._stack[depth + 1 :]:
                    if one.tag not in _OPTIONAL_END:
                        self._unclosed(one)
                del self._stack[depth:]
            elif name in _BARRIER:
                return

    def _unclosed(self, one: _Open) -> None:
        self._add("unclosed", f"<{one.tag}> is never closed where it should be", f"Write </{one.tag}>.", one.place)

    def _add(self, rule: str, says: str, hint: str, place: Place) -> None:
        self._found.append(Misnested(rule, says, hint, place))

    def _here(self, row: int) -> Place:
        """The place of something without a mark: so many lines behind the last tag that had one."""
        template, line = self._last
        return template, None if line is None else line + row - self._last_row
