"""A relay: the SMTP server we hand mail to, as data.

Rules of this file: nothing is opened here; what cannot be right is refused when the relay is first used.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

#: With DATA one mail waits at its dot while the next is begun. With chunks eight hide a round trip; 32 gained only
#: where nothing else was slow, and put four times as many in doubt (bench, 20 ms: 2,531/s and 2,840/s).
PIPELINED_WINDOW, CHUNKED_WINDOW = 2, 8


class Tls(StrEnum):
    """How the connection is secured (RFC 8314): upgraded, from the first byte, or not at all."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


class Pipelining(StrEnum):
    """Whether commands are written without waiting for each reply (RFC 2920): where the relay offers it, or never."""

    AUTO = "auto"
    OFF = "off"


class Chunking(StrEnum):
    """Whether messages are sent as chunks (RFC 3030), several on their way at a time: where offered, or never."""

    AUTO = "auto"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a reply, by command: RFC 5321 §4.5.3.2.

    ``dot_s`` is long on purpose: a relay that is slow to answer the final dot has often taken the mail, and giving
    up early turns that into a duplicate (RFC 1047).
    """

    login_s: float = 60.0
    mail_s: float = 300.0
    rcpt_s: float = 300.0
    data_s: float = 120.0
    dot_s: float = 600.0
    quit_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Relay:
    """One SMTP server. ``name`` is how people know it; ``connect_timeout_s`` covers TCP, greeting, EHLO and TLS.

    ``hostname`` is what we call ourselves in EHLO, None means this machine's name. ``ca_file`` is a PEM file of an
    own certificate authority, trusted beside the system's. ``max_connection_age_s`` as Postfix has it.
    """

    name: str
    host: str
    port: int
    tls: Tls = Tls.STARTTLS
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    connections: int = 4
    max_messages_per_connection: int = 1000
    max_connection_age_s: float = 300.0
    connect_timeout_s: float = 30.0
    timeouts: Timeouts = field(default_factory=Timeouts)
    hostname: str | None = None
    verify_tls: bool = True
    ca_file: Path | None = None
    pipelining: Pipelining = Pipelining.AUTO
    chunking: Chunking = Chunking.OFF

    @property
    def window(self) -> int:
        """How many mails may be on their way over one connection, if the relay offers what it takes."""
        if self.pipelining is Pipelining.OFF:
            return 1
        return CHUNKED_WINDOW if self.chunking is Chunking.AUTO else PIPELINED_WINDOW

    @property
    def address(self) -> str:
        """``host:port``, for people."""
        return f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the relay runs on this machine, so that nobody can listen in between."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:  # a name
            return False

    @property
    def ehlo_name(self) -> str:
        """Our name in EHLO; an address literal where this machine has no full name (RFC 5321 §4.1.4)."""
        if self.hostname:
            return self.hostname
        name = socket.gethostname()
        return name if "." in name else "[127.0.0.1]"
