"""Leaving over real HTTP, as mailbox providers and people do it (RFC 8058; mail-standards B4, B5, E8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from digest.config.secrets import Purpose
from digest.model.event import EventKind
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import events, subscriptions
from digest.store.engine import Store
from digest.store.tables import subscriber
from digest.web.asgi import create_app
from support.factories import NOW, make_publication, make_subscription
from support.site import KEYRING, Reply, ask, container_of, multipart, running

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ONE_CLICK = b"List-Unsubscribe=One-Click"


@dataclass(frozen=True)
class Site:
    base: str
    store: Store
    reader: Subscription

    @property
    def token(self) -> str:
        return KEYRING.sign(Purpose.UNSUBSCRIBE, self.reader.token_id)

    @property
    def path(self) -> str:
        return f"/u/{self.token}"

    def state(self) -> Subscription | None:
        with self.store.read() as tx:
            return subscriptions.by_token_id(tx, self.reader.token_id)

    def departures(self) -> list[str]:
        with self.store.read() as tx:
            told = events.of_subscriber(tx, self.reader.subscriber.id, limit=50)
        return [event.detail for event in told if event.kind is EventKind.UNSUBSCRIBED]

    def post(self, body: bytes, headers: dict[str, str], *, path: str | None = None) -> Reply:
        return ask(self.base, "POST", path or self.path, body=body, headers=headers)


@pytest.fixture
def site(store: Store, tmp_path: Path) -> Iterator[Site]:
    with store.write() as tx:
        reader = make_subscription(tx, make_publication(tx, name="Tea & <Ships>"), "anna@example.com")
    with running(create_app(container_of(store, tmp_path), clock=lambda: NOW)) as base:
        yield Site(base, store, reader)


def is_active(site: Site) -> bool:
    found = site.state()
    return found is not None and found.state is SubscriptionState.ACTIVE


def test_get_shows_the_question_with_a_masked_address_and_changes_nothing(site: Site):
    before = site.state()
    reply = ask(site.base, "GET", site.path)

    assert reply.status == 200
    assert "Leave Tea &amp; &lt;Ships&gt;?" in reply.body
    assert "anna@example.com" not in reply.body
    assert "@example.com" in reply.body
    assert reply.body.index("Unsubscribe</button>") < reply.body.index('<button class="lesser"')
    assert site.state() == before
    assert site.departures() == []


def test_head_changes_nothing(site: Site):
    before = site.state()
    reply = ask(site.base, "HEAD", site.path)

    assert (reply.status, reply.body) == (200, "")
    assert site.state() == before


@pytest.mark.parametrize(
    ("body", "headers"),
    [(ONE_CLICK, FORM), multipart({"List-Unsubscribe": "One-Click"})],
    ids=["urlencoded", "multipart"],
)
def test_a_one_click_request_unsubscribes_twice_as_well_as_once(site: Site, body: bytes, headers: dict[str, str]):
    first = site.post(body, headers)
    second = site.post(body, headers)
    found = site.state()

    assert (first.status, second.status) == (200, 200)
    assert first.body == second.body
    assert found is not None
    assert found.state is SubscriptionState.UNSUBSCRIBED
    assert found.unsubscribed_at == NOW
    assert site.departures() == ["one-click"]


def test_the_pages_button_unsubscribes_and_the_answer_says_so(site: Site):
    reply = site.post(b"from=page", FORM)

    assert reply.status == 200
    assert "You’re out" in reply.body
    assert "Nothing more from Tea &amp; &lt;Ships&gt; will be sent" in reply.body
    assert "already on its way" in reply.body
    assert "Unsubscribe</button>" not in reply.body
    assert not is_active(site)
    assert site.departures() == ["page"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"{}", {"Content-Type": "application/json"}),
        (b"no boundary here", {"Content-Type": "multipart/form-data"}),
        (b"--x\r\nbroken", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b"%ff%fe=%zz&&==", FORM),
    ],
    ids=["empty", "json", "no-boundary", "cut-multipart", "bad-percent"],
)
def test_a_post_whose_body_makes_no_sense_still_unsubscribes(site: Site, body: bytes, headers: dict[str, str]):
    reply = site.post(body, headers)

    assert reply.status == 200
    assert not is_active(site)
    assert site.departures() == ["page"]


def test_no_answer_sets_a_cookie_or_redirects(site: Site):
    replies = [ask(site.base, "GET", site.path), site.post(ONE_CLICK, FORM), site.post(b"", {})]

    assert [reply.status for reply in replies] == [200, 200, 200]
    assert not any("set-cookie" in reply.headers or "location" in reply.headers for reply in replies)


def test_after_leaving_the_link_shows_that_it_is_done(site: Site):
    site.post(ONE_CLICK, FORM)
    reply = ask(site.base, "GET", site.path)

    assert reply.status == 200
    assert "You’re out" in reply.body
    assert "<button" not in reply.body


def forgeries(token: str) -> dict[str, str]:
    payload, _, signature = token.rpartition(".")
    other = KEYRING.sign(Purpose.UNSUBSCRIBE, "somebody-else").rpartition(".")[2]
    return {
        "cut": token[:-3],
        "payload only": payload,
        "another's signature": f"{payload}.{other}",
        "changed payload": f"{payload[:-1]}{'A' if payload[-1] != 'A' else 'B'}.{signature}",
        "wrong purpose": KEYRING.sign(Purpose.CONFIRM, payload),
        "nonsense": "x",
        "long": "y" * 4000,
        "not ASCII": "%C3%A9%E2%82%AC.%F0%9F%9A%80",
        "not UTF-8": "%ff%fe.%ff",
        "NUL": "%00.%00",
        "newline": "a%0Ab.c%0D",
    }


def test_every_forged_or_cut_link_gets_the_same_404_and_changes_nothing(site: Site):
    before = site.state()
    got = {name: ask(site.base, "GET", f"/u/{forged}") for name, forged in forgeries(site.token).items()}
    posted = {name: site.post(ONE_CLICK, FORM, path=f"/u/{forged}") for name, forged in forgeries(site.token).items()}

    assert {name: reply.status for name, reply in (got | posted).items()} == dict.fromkeys(got, 404)
    assert {reply.status for reply in got.values()} == {404}
    assert len({reply.body for reply in [*got.values(), *posted.values()]}) == 1
    assert "This link does not work" in got["cut"].body
    assert site.state() == before


@pytest.mark.parametrize("path", ["/u/", "/u", "/u//", "/u/a/b", "/u/..%2f..", "/%00", "//", "/u/%2e%2e/x"])
def test_malformed_addresses_are_not_found_and_never_a_fault(site: Site, path: str):
    reply = ask(site.base, "GET", path)

    assert reply.status == 404
    assert "<h1>" in reply.body


def test_a_subscriber_who_was_deleted_is_told_that_there_is_nothing_to_leave(site: Site):
    with site.store.write() as tx:
        tx.connection.execute(subscriber.delete().where(subscriber.c.id == site.reader.subscriber.id))
    posted, got = site.post(ONE_CLICK, FORM), ask(site.base, "GET", site.path)

    assert (posted.status, got.status) == (200, 200)
    assert "You are not subscribed" in posted.body
    assert posted.body == got.body


def test_a_link_signed_with_a_rotated_key_still_works(site: Site, tmp_path: Path):
    from digest.config.secrets import Keyring  # noqa: PLC0415 - only this test makes a second keyring

    rotated = Keyring([b"n" * 43, b"k" * 43])
    container = replace(container_of(site.store, tmp_path), keyring=rotated)
    with running(create_app(container, clock=lambda: NOW)) as base:
        reply = ask(base, "POST", site.path, body=ONE_CLICK, headers=FORM)

    assert reply.status == 200
    assert not is_active(site)


@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
def test_a_body_over_64_kilobytes_is_refused_and_changes_nothing(site: Site, announced: bool):  # noqa: FBT001 - a pytest parameter
    padding = b"List-Unsubscribe=One-Click&pad=" + b"x" * (64 * 1024)
    body = padding if announced else iter([padding[:40_000], padding[40_000:]])
    reply = site.post(body, FORM)  # type: ignore[arg-type] # http.client sends an iterable in chunks

    assert reply.status == 413
    assert "larger than anything" in reply.body
    assert is_active(site)


def test_a_body_of_exactly_64_kilobytes_is_taken(site: Site):
    start = b"List-Unsubscribe=One-Click&pad="
    reply = site.post(start + b"x" * (64 * 1024 - len(start)), FORM)

    assert reply.status == 200
    assert site.departures() == ["one-click"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(site: Site, method: str):
    reply = ask(site.base, method, site.path)

    assert reply.status == 405
    assert is_active(site)


def test_token_pages_are_secret_and_need_nothing_from_elsewhere(site: Site):
    replies = [
        ask(site.base, "GET", site.path),
        ask(site.base, "GET", "/u/forged"),
        site.post(ONE_CLICK, FORM),
    ]

    for reply in replies:
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in reply.headers["x-robots-tag"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "script" not in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "server" not in reply.headers
        assert "<script" not in reply.body
        assert "://" not in reply.body
        assert len(reply.body.encode()) < 30_000


def test_neither_token_nor_address_gets_into_the_log(site: Site, capfd: pytest.CaptureFixture[str]):
    with capture_logs() as lines:
        ask(site.base, "GET", site.path)
        site.post(ONE_CLICK, FORM)
        ask(site.base, "GET", f"{site.path}x/y")
    shown = repr(lines) + "".join(capfd.readouterr())

    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "/u/{token}", 200),
        ("POST", "/u/{token}", 200),
        ("GET", "(none)", 404),
    ]
    assert site.token not in shown
    assert site.reader.token_id not in shown
    assert "example.com" not in shown
