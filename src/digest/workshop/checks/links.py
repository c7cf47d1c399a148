"""Where links lead, as far as their addresses tell; nothing is fetched here.

Rules: a digest says how to leave it and where its publisher lives, or it may not be sent (RFC 8058, CAN-SPAM, GDPR).
The public web view holds nothing personal.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.mail import HARMLESS_TOKEN, READER
from digest.workshop.page import Element, Page, Place, selector_of, text_of

_FINE = frozenset({"https", "mailto", "tel"})
_NEVER = frozenset({"javascript", "vbscript", "data", "file", "blob"})
_HERE = ("localhost", ".localhost", ".local", ".internal", ".test", ".lan")


def check_links(page: Page) -> Iterator[Finding]:
    """Addresses of links, the way out, and what a public page may not hold."""
    for element in page.elements:
        if element.tag in {"a", "area"}:
            yield from _link(page, element)
    if page.mail.context.personal:
        yield from _way_out(page)
    else:
        yield from _public(page)


def _link(page: Page, element: Element) -> Iterator[Finding]:
    href = element.get("href")
    if href is None:
        if element.get("name") is None and element.get("id") is None:
            yield _at(
                page, element, "link-empty", Severity.BREAKS, says="A link without an address", hint="Give it an href."
            )
        return
    href = href.strip()
    if not href:
        yield _at(
            page,
            element,
            "link-empty",
            Severity.BREAKS,
            says=f"A link with an empty address: “{text_of(element)[:40]}”",
            hint="Write the link only where there is an address: {% if story.url %}.",
        )
        return
    try:
        parts = urlsplit(href)
        host = parts.hostname or ""
    except ValueError:
        yield _at(page, element, "link-broken", Severity.BREAKS, says=f"{href[:60]} is no address", hint="Correct it.")
        return
    yield from _scheme(page, element, href, parts.scheme.lower())
    if parts.scheme in {"http", "https"} and is_private(host):
        yield _private(page, element, host)


def _scheme(page: Page, element: Element, href: str, scheme: str) -> Iterator[Finding]:
    if scheme in _NEVER:
        yield _at(
            page,
            element,
            "link-scheme",
            Severity.BREAKS,
            says=f"{scheme}: links do nothing in mail, and filters hate them",
            hint="Link to a page by https.",
        )
    elif scheme == "http":
        yield _at(
            page,
            element,
            "link-http",
            Severity.NOTE,
            says=f"{href[:60]} is not https: whoever is on the way reads along",
            hint="Use https where the site has it.",
        )
    elif not scheme and not href.startswith("#"):
        yield _at(
            page,
            element,
            "link-relative",
            Severity.BREAKS,
            says=f"{href[:60]} is relative, and a mail is on no page",
            hint="Write the whole address, with https://.",
        )
    elif scheme and scheme not in _FINE:
        yield _at(
            page,
            element,
            "link-scheme",
            Severity.DEGRADES,
            says=f"Many readers have nothing that opens {scheme}: links",
            hint="Link to a page by https.",
        )


def _private(page: Page, element: Element, host: str) -> Finding:
    own = urlsplit(page.mail.context.publication.home_url).hostname or ""
    if host == own:
        return _at(
            page,
            element,
            "link-private",
            Severity.DEGRADES,
            says=f"Readers cannot reach {host}: it is this machine",
            hint="Set site.base_url to the public address before you send.",
        )
    return _at(
        page,
        element,
        "link-private",
        Severity.BREAKS,
        says=f"Readers cannot reach {host}: it is a private address",
        hint="Link to a public address.",
    )


def is_private(host: str) -> bool:
    """Whether a host is out of readers' reach by its name or number."""
    name = host.lower().rstrip(".")
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return any(name == end.lstrip(".") or (end[0] == "." and name.endswith(end)) for end in _HERE)


def _way_out(page: Page) -> Iterator[Finding]:
    mail = page.mail
    if not mail.is_listed:
        return
    footer = (mail.part("body.html"), None)
    if not any(HARMLESS_TOKEN in element.get("href", "") for element in page.visible if element.tag == "a"):
        yield _finding(
            "unsubscribe",
            Severity.BREAKS,
            footer,
            says="The mail has no link to unsubscribe",
            hint='Write <a href="{{ slots.unsubscribe_url }}"> where readers find it.',
        )
    address = _words(mail.context.publication.postal_address)
    if address and address not in _words(text_of(page.body)):
        yield _finding(
            "postal-address",
            Severity.BREAKS,
            footer,
            says="The mail lacks the publisher’s postal address, which the law asks for",
            hint="Write {{ publication.postal_address }} into the footer.",
        )


def _public(page: Page) -> Iterator[Finding]:
    for element in page.elements:
        for value in (*element.attrib.values(), element.text or "", element.tail or ""):
            if HARMLESS_TOKEN in value or READER in value:
                yield _at(
                    page,
                    element,
                    "personal-in-public",
                    Severity.BREAKS,
                    says="The public web view holds what belongs to one reader",
                    hint="Write it only {% if personal %}.",
                )


def _words(text: str) -> str:
    return " ".join(text.replace("\u200b", "").split())


def _at(page: Page, element: Element, rule: str, severity: Severity, *, says: str, hint: str) -> Finding:
    template, line = page.place(element)
    return Finding(
        rule, severity, Group.LINKS, says, hint=hint, template=template, line=line, selector=selector_of(element)
    )


def _finding(rule: str, severity: Severity, place: Place, *, says: str, hint: str) -> Finding:
    return Finding(rule, severity, Group.LINKS, says, hint=hint, template=place[0], line=place[1])
