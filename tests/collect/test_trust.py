"""Whom a fetch connects to: certificates that are verified (F11), addresses that are public (F10)."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from digest.collect import guard
from digest.collect.troubles import Trouble
from digest.config.settings import CollectSettings, Settings
from digest.model.errors import ConfigInvalid
from support.certificates import make_certificate
from support.feedserver import FeedServer, serving
from support.fetching import BODY, failure_of, fetch
from support.names import Names

# --- certificates (F11) ---


def _tls(folder: Path, **options: object) -> tuple[ssl.SSLContext, Path]:
    certificate, key = make_certificate(folder, **options)  # type: ignore[arg-type]  # its own options
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context, certificate


async def test_a_certificate_is_verified_unless_its_authority_is_ours_or_the_source_is_an_exception(tmp_path: Path):
    context, certificate = _tls(tmp_path)
    async with serving(tls=context) as server:
        url = server.rule("/f", BODY)
        failure = await failure_of(url)
        trusted = await fetch(url, ca_file=certificate)
        excepted = await fetch(url, insecure_tls=True)

    assert "signed by itself or an unknown authority" in str(failure)
    assert "--insecure-tls" in failure.hint
    assert failure.trouble is Trouble.TLS
    assert trusted.body == excepted.body == BODY


async def test_an_expired_certificate_is_called_that(tmp_path: Path):
    context, certificate = _tls(tmp_path, valid_for=timedelta(days=-2))
    async with serving(tls=context) as server:
        failure = await failure_of(server.rule("/f", BODY), ca_file=certificate)

    assert "has expired" in str(failure)


async def test_a_certificate_for_another_name_is_called_that(tmp_path: Path):
    context, certificate = _tls(tmp_path, host="other.example")
    async with serving(tls=context) as server:
        failure = await failure_of(server.rule("/f", BODY), ca_file=certificate)

    assert "another name" in str(failure)


async def test_the_exception_is_for_one_host_only(tmp_path: Path):
    context, _ = _tls(tmp_path)
    async with serving(tls=context) as server:
        port = server.base.rpartition(":")[2]
        server.rule("/f", BODY)
        url = server.rule("/a", statuses=(302,), location=f"https://b.example:{port}/f")
        failure = await failure_of(url, insecure_tls=True, names=Names({"b.example": ["127.0.0.1"]}))

    assert failure.trouble is Trouble.TLS
    assert server.paths() == ["/a"]


async def test_an_authority_is_looked_for_beside_the_configuration(tmp_path: Path):
    settings = Settings(base_dir=tmp_path, collect=CollectSettings(ca_file=Path("our.pem")))

    assert settings.collect.ca_file == tmp_path / "our.pem"


async def test_an_authority_that_cannot_be_read_is_a_wrong_setting(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match="ca_file"):
        await fetch("http://127.0.0.1/", ca_file=tmp_path / "none.pem")


# --- addresses (F10) ---


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001"])
async def test_private_addresses_are_refused_before_anything_is_sent(server: FeedServer, host: str):
    server.rule("/f", BODY)
    port = server.base.rpartition(":")[2]

    failure = await failure_of(f"http://{host}:{port}/f", allow_private_networks=False)

    assert server.requests == []
    assert "private network" in str(failure)
    assert "allow_private_networks" in failure.hint


async def test_an_address_written_as_one_number_is_no_way_around(server: FeedServer):
    await failure_of(f"http://2130706433:{server.base.rpartition(':')[2]}/f", allow_private_networks=False)

    assert server.requests == []


async def test_a_network_can_be_allowed_and_its_neighbours_stay_refused(server: FeedServer):
    server.rule("/f", BODY)
    port = server.base.rpartition(":")[2]
    allowed = {"allow_private_networks": False, "allow_networks": ["127.0.0.1/32"]}

    assert (await fetch(server.base + "/f", **allowed)).body == BODY
    assert "private network" in str(await failure_of(f"http://127.0.0.2:{port}/f", **allowed))


async def test_a_redirect_cannot_lead_into_a_private_network(server: FeedServer):
    port = server.base.rpartition(":")[2]
    server.rule("/f", BODY)
    url = server.rule("/a", statuses=(302,), location=f"http://127.0.0.2:{port}/f")

    failure = await failure_of(url, allow_private_networks=False, allow_networks=["127.0.0.1/32"])

    assert "private network" in str(failure)
    assert server.paths() == ["/a"]


async def test_a_name_that_changes_its_mind_is_refused_when_it_does(server: FeedServer):
    """DNS rebinding: the first look-up gives an address that is allowed, the next one does not."""
    names = Names({"news.example": ["127.0.0.1", "127.0.0.2"]})
    url = f"http://news.example:{server.base.rpartition(':')[2]}/f"
    server.rule("/f", BODY)
    allowed: dict[str, object] = {"allow_private_networks": False, "allow_networks": ["127.0.0.1/32"]}

    assert (await fetch(url, names=names, **allowed)).body == BODY
    assert "private network" in str(await failure_of(url, names=names, **allowed))
    assert len(server.requests) == 1


async def test_a_public_address_on_an_unusual_port_is_refused():
    names = Names({"news.example": ["93.184.215.14"]})

    failure = await failure_of("http://news.example:22/f", names=names, allow_private_networks=False)

    assert "port 22" in str(failure)
    assert "allow_ports" in failure.hint


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "::1",
     "224.0.0.1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "255.255.255.255",
     "::7f00:1", "64:ff9b:1::1", "ff02::1", "::", "2001:db8::1", "240.0.0.1", "198.18.0.1", "192.0.2.1"],
)  # fmt: skip
def test_no_inner_address_counts_as_public(address: str):
    assert not guard.is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f::1", "64:ff9b::5db8:d70e", "::ffff:1.1.1.1"])
def test_addresses_of_the_internet_count_as_public(address: str):
    assert guard.is_public(address)


def test_ports_are_the_usual_ones_and_those_allowed():
    usual = guard.Guard(ports=frozenset({8080}))

    for port in (80, 443, 8080):
        usual.check("93.184.215.14", port)
    for port in (22, 25, 6379, 8081):
        with pytest.raises(guard.PortRefused):
            usual.check("93.184.215.14", port)
        with pytest.raises(guard.PortRefused):
            guard.Guard(allows_private=True).check("93.184.215.14", port)
    guard.Guard(allows_private=True).check("10.0.0.1", 8081)
