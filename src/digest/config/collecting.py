"""The settings of collecting: how sources are fetched, and what becomes of their pictures."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import Field

from digest.config.section import Section
from digest.model.image import ImageMode


class WebSubMode(StrEnum):
    """Whether hubs are asked to tell us of news (W3C WebSub)."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class CollectSettings(Section):
    """Limits on fetching, and manners."""

    timeout_s: Annotated[float, Field(gt=0, description="seconds for one fetch in all")] = 30.0
    deadline_s: Annotated[
        float, Field(gt=0, description="seconds for one run; an issue goes out with what is there by then")
    ] = 180.0
    max_bytes: Annotated[int, Field(gt=0, description="bytes of one document after decompression")] = 15_000_000
    allow_private_networks: Annotated[
        bool, Field(description="allow sources on private or loopback addresses (intranet)")
    ] = False
    allow_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Field(description='private networks that sources may be in: ["10.1.0.0/16"]; any port there'),
    ] = ()
    allow_ports: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65535)], ...],
        Field(description="ports of public addresses beside 80 and 443"),
    ] = ()
    ca_file: Annotated[Path | None, Field(description="own certificate authority to trust beside the usual, PEM")] = (
        None
    )
    contact: Annotated[
        str | None,
        Field(
            pattern=r"^[\x21-\x27\x2a-\x7e]{3,200}$",
            description="mail or web address in the User-Agent, for site owners; default: site.base_url",
        ),
    ] = None
    page_delay_s: Annotated[
        float,
        Field(
            ge=0,
            le=60,
            description="seconds between two pages of a host, more where robots.txt asks; 0: none on own servers",
        ),
    ] = 1.0
    full_text: Annotated[bool, Field(description="fetch an article's page where the feed holds only its beginning")] = (
        True
    )
    languages: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")], ...],
        Field(description='languages to take from feeds that give each entry its own: ["en", "ga"]; none: all'),
    ] = ()
    websub: Annotated[
        WebSubMode, Field(description="auto (where site.base_url is public), on or off: let hubs tell of news")
    ] = WebSubMode.AUTO


class ImagesSettings(Section):
    """Pictures in mails."""

    mode: Annotated[
        ImageMode | None,
        Field(
            description="own (small copies that `digest serve` has), remote (the publisher's) or none; default: own "
            "where site.base_url is https, else remote"
        ),
    ] = None
    deadline_s: Annotated[
        float, Field(gt=0, description="seconds for all pictures of an issue; it goes out with those that are there")
    ] = 30.0
