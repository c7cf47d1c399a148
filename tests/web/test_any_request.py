"""Whatever is asked of any page, in whatever words: an answer, and never a fault of ours."""

from __future__ import annotations

import http.client
from urllib.parse import quote, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.config.secrets import Purpose
from support.journey import Town

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW")
FIELDS = (
    "email",
    "digest",
    "alerts",
    "topics",
    "cadence",
    "timezone",
    "page",
    "form_token",
    "fix",
    "as_written",
    "again",
    "altcha",
    "company_fax",
    "act",
    "sure",
    "why",
    "instead",
    "language",
    "List-Unsubscribe",
    "morning.digest",
    "morning.alerts",
    "morning.cadence",
    "morning.topics",
    "morning.pause",
    "morning.deliver_at",
    "morning.format",
    "q",
    "before",
    "done",
)
VALUES = (
    "1",
    "yes",
    "no-one",
    "ann@example.org",
    "ann@gmial.com",
    "a@b",
    "@",
    "weekly",
    "pause",
    "2026-02-30",
    "9999-12-31",
    "0001-01-01",
    "25:00",
    "07:00",
    "07:00:00.5+03:00",
    "city",
    "Europe/Berlin",
    "../../etc/passwd",
    "Etc/../x",
    "link",
    "move",
    "export",
    "One-Click",
    "too-many",
    "alerts-only",
    "html",
    "saved",
    "-1",
    "9" * 30,
    "\x00",
    "\ud800",
    "\u202e",
    "\ue000email\ue001",
    "{{ 7*7 }}",
    "<script>",
    "e" * 600,
)
TYPES = (
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=utf-16",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/json",
    "text/plain; charset=nonsense",
    "",
    "é",
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Origin", "Sec-Fetch-Site", "X-Forwarded-For", "Accept-Language", "If-None-Match", "Referer", "Cookie", "Host"]
    ),
    st.one_of(
        st.sampled_from(["null", "same-origin", "https://[", "a, b, ,", "::1, 10.0.0.1", "x" * 300, "*", "de-x-é;q=2"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20),
    ),
    max_size=3,
)


PAIRS = st.lists(
    st.tuples(
        st.sampled_from(FIELDS).map(str.encode),
        (st.sampled_from(VALUES) | st.text(max_size=40)).map(lambda text: text.encode("utf-8", "surrogatepass")),
    ),
    max_size=7,
)


@pytest.fixture(scope="module")
def busy_town(quiet_town: Town) -> Town:
    """One with a reader and an issue."""
    quiet_town.subscribe("ann@example.org")
    quiet_town.publish()
    return quiet_town


def places(town: Town) -> list[str]:
    """Every path there is, with genuine tokens of a reader who stays."""
    has = town.has("ann@example.org")
    assert has is not None
    keys = town.container.keyring
    tokens = {
        place: keys.sign(purpose, has.token_id)
        for place, purpose in {
            "u": Purpose.UNSUBSCRIBE,
            "p": Purpose.PREFERENCES,
            "c": Purpose.CONFIRM,
            "b": Purpose.UNDO,
            "a": Purpose.READDRESS,
        }.items()
    }
    inner = [
        "",
        "/box",
        "/form-token",
        "/challenge",
        "/preferences",
        "/embed",
        "/archive",
        "/feed.xml",
        "/feed.json",
        "/1",
    ]
    return [
        *(f"/{place}/{token}" for place, token in tokens.items()),
        *(f"/{slug}{part}" for slug in ("morning", "morning", "morning", "none") for part in inner),
        *(f"/{slug}/preferences" for slug in ("%00", "UPPER", "x" * 80)),
        *(f"/{name}.js" for name in ("box", "embed", "copy", "settings", "none")),
        "/healthz",
        "/",
        "//",
    ]


@st.composite
def requests(draw: st.DrawFn, paths: list[str]) -> tuple[str, str, bytes, dict[str, str]]:
    """Method, path, body and headers: often a form as a browser sends it, with odd things in it; else anything."""
    query = urlencode(draw(PAIRS))
    form = urlencode(draw(PAIRS)).encode()
    if draw(st.integers(0, 2)):
        method = draw(st.sampled_from(["POST", "POST", "POST", "GET"]))
        path = draw(st.sampled_from(paths))
        return method, f"{path}?{query}" if method == "GET" else path, form, {"Content-Type": TYPES[0]}
    lines = [b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % pair for pair in draw(PAIRS)]
    body = draw(st.one_of(st.just(form), st.just(b"".join(lines) + b"--x--\r\n"), st.binary(max_size=60)))
    strange = st.text(max_size=30).map(lambda text: "/" + quote(text, errors="ignore"))
    path = draw(st.sampled_from(paths) | strange)
    headers = draw(HEADERS) | {"Content-Type": draw(st.sampled_from(TYPES))}
    return draw(st.sampled_from(METHODS)), f"{path}?{query}" if query else path, body, headers


@settings(max_examples=350, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_to_any_page_is_answered_with_a_fault(busy_town: Town, data: st.DataObject):
    method, path, body, headers = data.draw(requests(places(busy_town)))
    status = send(busy_town.base, method, path, body, headers)

    assert status < 500, (method, path, body, headers)


def send(base: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    parts = urlsplit(base)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
