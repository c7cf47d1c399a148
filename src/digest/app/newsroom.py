"""The sample newsroom of `digest demo`: three invented outlets, their feeds and pages, on a port of this machine.

Rules: everything said comes from ``examples/newsroom``; nothing here knows a headline. Dates are relative to the
``now`` given. The server answers from memory, to this machine only, and writes no log.
"""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment

import digest
from digest.compose.environment import templates, theme
from digest.compose.pictures import picture
from digest.feeds import markdown

_PARAGRAPH_END = "</p>"


def newsroom_folder() -> Path:
    """The sample newsroom: shipped inside the wheel, or the checkout's own ``examples/newsroom``."""
    package = Path(digest.__file__).parent
    shipped = package / "_newsroom"
    return shipped if shipped.is_dir() else package.parents[1] / "examples" / "newsroom"


@dataclass(frozen=True, slots=True)
class Piece:
    """An article as one outlet publishes it. ``link`` is ``url`` with the outlet's tracking parameters."""

    path: str
    title: str
    summary: str
    author: str
    topic: str
    html: str
    published_at: datetime
    url: str
    link: str
    picture_url: str
    alt: str


@dataclass(frozen=True, slots=True)
class Outlet:
    """A publisher with its feed. ``feed`` names the template, ``pieces`` come newest first."""

    slug: str
    name: str
    tagline: str
    topic: str
    feed: str
    home_url: str
    feed_url: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Notes:
    """The plain-text article: what its source is called, its topic, and the file's text with the dates put in."""

    file: str
    name: str
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Newsroom:
    """All of it."""

    outlets: tuple[Outlet, ...]
    notes: Notes


@dataclass(frozen=True, slots=True)
class Page:
    """What a path answers. ``make`` is called for each request; give it a cached function if it is dear."""

    content_type: str
    make: Callable[[], bytes]


def load(folder: Path, *, base_url: str, now: datetime) -> Newsroom:
    """Read the newsroom as it stands at ``now``, published at ``base_url``."""
    plan = tomllib.loads((folder / "newsroom.toml").read_text(encoding="utf-8"))
    outlets = tuple(_outlet(folder, entry, base_url=base_url, now=now) for entry in plan["outlet"])
    about = plan["notes"]
    day = now - timedelta(minutes=about["minutes_ago"])
    text = (folder / about["file"]).read_text(encoding="utf-8")
    text = text.replace("MM/DD/YYYY", f"{day:%m/%d/%Y}").replace("YYYY", f"{day:%Y}")
    return Newsroom(outlets, Notes(about["file"], about["name"], about["topic"], text))


def _outlet(folder: Path, entry: Mapping[str, Any], *, base_url: str, now: datetime) -> Outlet:
    home_url = f"{base_url}/{entry['slug']}/"
    tracking = entry.get("tracking", "")
    return Outlet(
        slug=entry["slug"],
        name=entry["name"],
        tagline=entry["tagline"],
        topic=entry["topic"],
        feed=entry["feed"],
        home_url=home_url,
        feed_url=f"{home_url}feed.xml",
        pieces=tuple(
            _piece(folder, item, home_url=home_url, base_url=base_url, tracking=tracking, now=now)
            for item in entry["article"]
        ),
    )


def _piece(
    folder: Path, item: Mapping[str, Any], *, home_url: str, base_url: str, tracking: str, now: datetime
) -> Piece:
    file = folder / "articles" / f"{item['file']}.md"
    written = markdown.parse(file.read_text(encoding="utf-8"), str(file)).entries[0]
    path = item.get("path", item["file"])
    url = f"{home_url}{path}"
    paragraphs = written.content_html.split(_PARAGRAPH_END)[:-1]
    kept = paragraphs[: item.get("paragraphs", len(paragraphs))]
    return Piece(
        path=path,
        title=item.get("headline", written.title),
        summary="" if "headline" in item else written.summary,
        author=written.author or "",
        topic=written.labels[0],
        html="".join(paragraph + _PARAGRAPH_END for paragraph in kept).strip(),
        published_at=(now - timedelta(minutes=item["minutes_ago"])).replace(microsecond=0),
        url=url,
        link=f"{url}?{tracking}" if tracking else url,
        picture_url=f"{base_url}/pictures/{item['picture']}.png" if "picture" in item else "",
        alt=item.get("alt", ""),
    )


def environment(folder: Path) -> Environment:
    """The templates of the newsroom's pages and feeds, in the colours of the mail."""
    env = templates((folder / "site",))
    env.filters["rfc822"] = format_datetime
    env.globals["theme"] = theme(env)
    return env


def pages(newsroom: Newsroom, *, env: Environment, now: datetime) -> dict[str, Page]:
    """Path → page: every feed, home page, article and picture."""
    made: dict[str, Page] = {}
    for outlet in newsroom.outlets:
        feed = env.get_template(outlet.feed).render(outlet=outlet, now=now.replace(microsecond=0))
        made[urlsplit(outlet.feed_url).path] = fixed("application/xml; charset=utf-8", feed.lstrip().encode())
        made[urlsplit(outlet.home_url).path] = html_page(env, "home.html", outlet=outlet)
        for piece in outlet.pieces:
            made[urlsplit(piece.url).path] = html_page(env, "article.html", outlet=outlet, piece=piece)
            if piece.picture_url:
                path = urlsplit(piece.picture_url).path
                made[path] = Page("image/png", cache(partial(picture, Path(path).stem)))
    return made


def html_page(env: Environment, template: str, **values: object) -> Page:
    """A page of the newsroom's templates, rendered now."""
    return fixed("text/html; charset=utf-8", env.get_template(template).render(values).encode())


def fixed(content_type: str, body: bytes) -> Page:
    """A page that is always the same."""
    return Page(content_type, lambda: body)


@dataclass(frozen=True, slots=True)
class FileServer:
    """A running server. Its ``pages`` may be added to while it runs."""

    base_url: str
    pages: dict[str, Page]


@contextmanager
def serving_pages() -> Iterator[FileServer]:
    """Serve a growing set of pages on a free port of this machine while the block runs."""
    known: dict[str, Page] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, known))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="sample newsroom", daemon=True)
    thread.start()
    try:
        yield FileServer(f"http://127.0.0.1:{server.server_address[1]}", known)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers from the pages; quiet."""

    def __init__(self, known: Mapping[str, Page], *args: Any) -> None:
        self._known = known
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer with the page of the path, whatever the query says."""
        page = self._known.get(urlsplit(self.path).path)
        body = page.make() if page else b"There is no such page.\n"
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", page.content_type if page else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: the terminal belongs to the demo."""
