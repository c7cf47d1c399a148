"""Whether a domain takes mail, asked in the background and remembered; nobody who signs up waits for a name server.

Only a plain answer counts against a domain: it does not exist, has neither MX nor address, or says by a null MX
(RFC 7505) that it takes none. Silence and failures say nothing. dnspython takes a tenth of a second to import, so only
who asks imports it.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from digest.model.mailbox import DomainVerdict
from digest.store import mail_domains
from digest.store.engine import Store, Tx

if TYPE_CHECKING:
    from dns.resolver import Resolver

#: So long an answer is believed.
KEEP = timedelta(days=7)
_TIMEOUT_S = 5.0

#: Asks the DNS about a domain (A-labels).
Ask = Callable[[str], DomainVerdict]


def ask_dns(domain: str, *, resolver: Resolver | None = None) -> DomainVerdict:
    """Look a domain up, MX first, then addresses (RFC 5321 §5.1); at most `_TIMEOUT_S` a question."""
    import dns.exception
    import dns.resolver

    resolver = resolver or dns.resolver.Resolver()
    try:
        found = resolver.resolve(domain, "MX", lifetime=_TIMEOUT_S)
    except dns.resolver.NXDOMAIN:
        return DomainVerdict.NO_MAIL
    except dns.resolver.NoAnswer:
        return _by_address(domain, resolver)
    except (dns.exception.DNSException, OSError):
        return DomainVerdict.UNKNOWN
    hosts = [str(record.exchange) for record in found]
    return DomainVerdict.NO_MAIL if hosts == ["."] else DomainVerdict.TAKES_MAIL


def _by_address(domain: str, resolver: Resolver) -> DomainVerdict:
    import dns.exception
    import dns.resolver

    for kind in ("A", "AAAA"):
        try:
            resolver.resolve(domain, kind, lifetime=_TIMEOUT_S)
        except dns.resolver.NoAnswer:
            continue
        except (dns.exception.DNSException, OSError):
            return DomainVerdict.UNKNOWN
        return DomainVerdict.TAKES_MAIL
    return DomainVerdict.NO_MAIL


def check(store: Store, domain: str, *, ask: Ask = ask_dns, now: datetime) -> DomainVerdict:
    """What is known of a domain, asking where nothing is. Never inside a transaction: name servers may be slow."""
    with store.read() as tx:
        known = verdict(tx, domain, now=now)
    if known is not None:
        return known
    found = ask(domain)
    if found is not DomainVerdict.UNKNOWN:
        with store.write() as tx:
            mail_domains.keep(tx, domain, verdict=found, now=now)
    return found


def verdict(tx: Tx, domain: str, *, now: datetime) -> DomainVerdict | None:
    """What was found lately; None where nobody asked."""
    return mail_domains.verdict(tx, domain, since=now - KEEP)
