from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from digest.collect import guard
from digest.collect.fetch import Fetched, Fetcher, read_files
from digest.config.settings import CollectSettings
from digest.model.errors import SourceUnreachable
from support.feedserver import FeedServer

_BODY = b"<rss>hello</rss>"


def _settings(**changes: object) -> CollectSettings:
    return CollectSettings.model_validate({"allow_private_networks": True, "timeout_s": 5, **changes})


async def _get(url: str, *, validators: Fetched | None = None, **changes: object) -> Fetched:
    async with Fetcher(_settings(**changes), base_url="https://digest.example.com") as fetcher:
        return await fetcher.get(
            url,
            etag=validators.etag if validators else None,
            last_modified=validators.last_modified if validators else None,
        )


async def test_a_document_comes_with_what_the_server_says_of_it(server: FeedServer):
    headers = {
        "ETag": 'W/"a b"',
        "Last-Modified": "yesterday",
        "Cache-Control": "public, max-age=7200",
        "Content-Type": "text/xml",
    }

    got = await _get(server.rule("/f", _BODY, headers=headers))

    assert (got.body, got.etag, got.last_modified, got.max_age_s) == (_BODY, 'W/"a b"', "yesterday", 7200)
    assert got.content_type == "text/xml"
    assert got.body_hash
    assert len(got.body_hash) == 64


async def test_validators_go_back_byte_for_byte(server: FeedServer):
    url = server.rule("/f", _BODY, headers={"ETag": 'W/"a b"', "Last-Modified": "yesterday"}, conditional=True)
    first = await _get(url)

    second = await _get(url, validators=first)

    assert second.body is None
    assert server.requests[1].headers["If-None-Match"] == 'W/"a b"'
    assert server.requests[1].headers["If-Modified-Since"] == "yesterday"


async def test_it_says_honestly_who_it_is(server: FeedServer):
    await _get(server.rule("/f", _BODY))

    agent = server.requests[0].headers["User-Agent"]
    assert agent.startswith("Digest/")
    assert agent.endswith("(+https://digest.example.com)")


async def test_redirects_are_followed_to_the_end(server: FeedServer):
    server.rule("/f", _BODY)
    server.rule("/b", statuses=(302,), location="f")
    url = server.rule("/a", statuses=(301,), location=server.base + "/b")

    got = await _get(url)

    assert (got.body, got.url) == (_BODY, server.base + "/f")


async def test_a_redirect_loop_ends_after_five_hops(server: FeedServer):
    url = server.rule("/loop", statuses=(302,), location="/loop")

    with pytest.raises(SourceUnreachable, match="more than 5 times"):
        await _get(url)

    assert len(server.requests) == 6


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.com/", "gopher://example.com/"])
async def test_only_web_addresses_are_followed(server: FeedServer, target: str):
    with pytest.raises(SourceUnreachable, match="redirects to"):
        await _get(server.rule("/f", statuses=(302,), location=target))


@pytest.mark.parametrize(
    ("status", "words"), [(404, "404 Not Found"), (410, "410 Gone"), (429, "429"), (500, "500"), (799, "799")]
)
async def test_a_bad_status_is_said_in_words(server: FeedServer, status: int, words: str):
    with pytest.raises(SourceUnreachable, match=words) as caught:
        await _get(server.rule("/f", statuses=(status,)))

    assert caught.value.hint


async def test_a_slow_answer_is_given_up(server: FeedServer):
    with pytest.raises(SourceUnreachable, match=r"within 0\.2 seconds"):
        await _get(server.rule("/f", _BODY, delay_s=2), timeout_s=0.2)


async def test_a_dripping_answer_is_given_up(server: FeedServer):
    started = time.monotonic()

    with pytest.raises(SourceUnreachable, match=r"within 0\.3 seconds"):
        await _get(server.rule("/f", _BODY * 10, drip_bytes_per_s=50), timeout_s=0.3)

    assert time.monotonic() - started < 2


async def test_too_large_a_document_is_stopped_while_it_comes(server: FeedServer):
    with pytest.raises(SourceUnreachable, match="larger than 1,000 bytes"):
        await _get(server.rule("/f", b"x" * 2000), max_bytes=1000)


async def test_a_compressed_document_is_counted_unpacked(server: FeedServer):
    with pytest.raises(SourceUnreachable, match="larger than"):
        await _get(server.rule("/f", bytes(40_000_000), gzip=True), max_bytes=1_000_000)


async def test_gzip_is_unpacked(server: FeedServer):
    assert (await _get(server.rule("/f", _BODY, gzip=True))).body == _BODY


async def test_broken_compression_is_an_error_in_words(server: FeedServer):
    with pytest.raises(SourceUnreachable) as caught:
        await _get(server.rule("/f", b"not gzip", headers={"Content-Encoding": "gzip"}))

    assert "127.0.0.1" in str(caught.value)


async def test_nobody_listening_is_an_error_in_words(server: FeedServer):
    with pytest.raises(SourceUnreachable, match="does not accept connections"):
        await _get("http://127.0.0.1:9/")


@pytest.mark.parametrize("url", ["http://", "http://exa mple.com/", "http://[x/", "http://2130706433/"])
async def test_a_wrong_address_is_an_error_in_words(url: str):
    with pytest.raises(SourceUnreachable) as caught:
        await _get(url)

    assert caught.value.hint


async def test_one_request_to_a_host_at_a_time(server: FeedServer):
    urls = [server.rule(f"/{number}", _BODY, delay_s=0.02) for number in range(5)]

    async with Fetcher(_settings(), base_url="https://digest.example.com") as fetcher:
        await asyncio.gather(*(fetcher.get(url) for url in urls))

    assert len(server.requests) == 5
    assert server.most_at_once == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001"])
async def test_private_addresses_are_refused_before_anything_is_sent(server: FeedServer, host: str):
    server.rule("/f", _BODY)
    port = server.base.rpartition(":")[2]

    with pytest.raises(SourceUnreachable) as caught:
        await _get(f"http://{host}:{port}/f", allow_private_networks=False)

    assert server.requests == []
    assert "private network" in str(caught.value)
    assert "allow_private_networks" in caught.value.hint


async def test_a_redirect_cannot_lead_into_a_private_network(server: FeedServer, monkeypatch: pytest.MonkeyPatch):
    # Only the first hop's address counts as public: the guard has to look again at the second.
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1")
    server.rule("/f", _BODY)
    port = server.base.rpartition(":")[2]
    url = server.rule("/a", statuses=(302,), location=f"http://127.0.0.2:{port}/f")

    with pytest.raises(SourceUnreachable, match="private network"):
        await _get(url, allow_private_networks=False)

    assert server.paths() == ["/a"]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "::1",
     "224.0.0.1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "255.255.255.255"],
)  # fmt: skip
def test_no_inner_address_counts_as_public(address: str):
    assert not guard.is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_public_addresses_are_public(address: str):
    assert guard.is_public(address)


def test_a_folder_gives_every_article_file_below_it(tmp_path: Path):
    for name in ("b.txt", "a.md", "sub/c.html", "x.pdf", ".hidden.txt", ".git/d.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)

    found = read_files(tmp_path, max_bytes=100)

    assert [(Path(name).name, raw) for name, raw in found] == [
        ("a.md", b"a.md"),
        ("b.txt", b"b.txt"),
        ("c.html", b"sub/c.html"),
    ]


@pytest.mark.parametrize("name", ["missing.txt", "empty", "large.txt"])
def test_local_trouble_is_said_in_words(tmp_path: Path, name: str):
    (tmp_path / "empty").mkdir()
    (tmp_path / "large.txt").write_bytes(b"x" * 200)

    with pytest.raises(SourceUnreachable) as caught:
        read_files(tmp_path / name, max_bytes=100)

    assert caught.value.hint
