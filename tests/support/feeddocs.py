"""Small feed documents for tests, with boring defaults."""

from __future__ import annotations

from html import escape


def rss_item(number: int = 1, **fields: str) -> str:
    """One item; a field given as ``""`` is left out. Values are put in as they are."""
    values = {
        "title": f"Story number {number}",
        "link": f"https://news.example.com/{number}.html",
        "guid": f"https://news.example.com/?p={number}",
        "pubDate": f"Wed, 20 Aug 2025 {number % 24:02d}:00:00 GMT",
        "description": escape(f"<p>The text of story number {number}, long enough to be read by somebody.</p>"),
    }
    values.update(fields)
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in values.items() if value)
    return f"<item>{inner}</item>"


def rss(*items: str, head: str = "", attributes: str = 'version="2.0"') -> bytes:
    """An RSS 2.0 document."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<rss {attributes}><channel><title>Example News</title>'
        f"<link>https://news.example.com/</link>{head}{''.join(items)}</channel></rss>"
    ).encode()


def atom(*entries: str, attributes: str = "") -> bytes:
    """An Atom document."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" {attributes}>'
        f'<title>Example Atom</title><link href="https://atom.example.org/"/>{"".join(entries)}</feed>'
    ).encode()
