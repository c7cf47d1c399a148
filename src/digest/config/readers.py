"""How readers come and go: limits of signing up, and how long what is no longer needed is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from digest.config.section import Section


class SignUpSettings(Section):
    """The sign-up box. Counts are per network (a /24 of IPv4, a /48 of IPv6) and per address."""

    min_seconds: Annotated[float, Field(ge=0, le=60, description="a form filled in faster than this asks again")] = 2.0
    network_per_hour: Annotated[int, Field(ge=1, description="requests of one network in an hour")] = 60
    address_per_day: Annotated[int, Field(ge=1, le=20, description="mails an address gets for asking, in a day")] = 3
    proof_of_work: Annotated[
        int, Field(ge=0, le=10_000_000, description="how many hashes a browser has to try (ALTCHA); 0: none")
    ] = 0
    check_domains: Annotated[bool, Field(description="ask the DNS whether a domain takes mail")] = True
    remind_after_h: Annotated[int, Field(ge=1, le=120, description="hours until the one reminder")] = 24
    keep_unconfirmed_days: Annotated[
        int, Field(ge=1, le=60, description="days a confirmation link works; then what was asked is erased")
    ] = 7
