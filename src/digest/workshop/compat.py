"""What mail clients will not understand in a mail, grouped by feature.

Rules: one finding for each feature and cause, never one for each element and client. Facts come from the table, with
the day they were tested; weight comes from us: `compat_breaks` lists what breaks a mail, with reasons, and `WITHOUT`
what is lost so gracefully that it is only worth a note. Everything else that some client does not know degrades.
What stands inside ``@media`` says nothing about a client that ignores the whole block.
"""

from __future__ import annotations

from collections.abc import Iterator

from digest.workshop.compat_breaks import breaking, without_word
from digest.workshop.facts import DEFAULT_CLIENTS, Fact, client_names, table
from digest.workshop.features import Use, uses
from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.page import Page, Place, selector_of

#: Feature → what a reader of a client without it gets. Nothing of these is worth a redesign.
WITHOUT = {
    "css-at-media": "small screens get the wide layout",
    "css-at-media-prefers-color-scheme": "the light colours are shown, or the client inverts them itself",
    "css-at-media-prefers-reduced-motion": "nothing changes",
    "css-color-scheme": "the client decides alone what is dark",
    "html-meta-color-scheme": "the client decides alone what is dark",
    "css-important": "the style attribute wins over the block",
    "css-pseudo-class-hover": "nothing happens under the pointer",
    "css-selector-attribute": "hooks of another client are skipped",
    "css-border-radius": "corners are square",
    "css-border-spacing": "cells stand by their cellspacing attribute",
    "css-object-fit": "a picture of another shape is squeezed",
    "css-height": "a height becomes a least height: what is taller grows",
    "css-max-height": "a tall picture stays tall",
    "css-max-width": "the width attribute or a table around it decides",
    "css-min-width": "the width attribute decides",
    "css-box-shadow": "no shadow",
    "css-text-shadow": "no shadow",
    "css-opacity": "full colour",
    "css-transition": "changes happen at once",
    "css-animation": "it stands still",
    "css-text-decoration-color": "the underline has the colour of its text",
    "css-text-decoration-style": "the underline is plain",
    "css-text-decoration-thickness": "the underline is as thick as usual",
    "css-text-underline-offset": "the underline stands as usual",
    "css-text-decoration-line": "the plain property has to say it",
    "css-letter-spacing": "letters stand as usual",
    "css-word-break": "long words may widen the mail; the breaks in the text hold them",
    "css-word-wrap": "long words may widen the mail; the breaks in the text hold them",
    "css-overflow-wrap": "long words may widen the mail; the breaks in the text hold them",
    "css-hyphens": "words are not hyphenated",
    "css-table-layout": "columns grow with their content",
    "css-text-wrap": "lines break as usual",
    "css-font-kerning": "letters stand as usual",
    "css-cursor": "the pointer is as usual",
    "css-outline": "no outline",
    "css-text-transform": "letters stay as written",
    "css-list-style-position": "markers hang as usual",
    "css-sytem-ui": "the next font of the list is taken",
    "css-white-space": "text wraps as usual",
    "css-border-collapse": "cells stand by their cellspacing attribute",
    "css-visibility": "it is shown",
    "css-background": "colours are taken, pictures are not",
    "html-aria-label": "screen readers hear the element without its label",
    "html-aria-labelledby": "screen readers hear the element without its label",
    "html-aria-describedby": "screen readers hear the element without its description",
    "html-aria-hidden": "screen readers hear it, too",
    "html-aria-live": "screen readers are not told of changes",
    "html-role": "screen readers take the element for what it is",
    "html-lang": "screen readers guess the language",
    "html-dir": "the wrapper and its tables say it again",
    "html-bdi": "the words around decide the direction",
    "html-abbr": "it is plain text",
    "html-semantics": "it is a plain box",
    "html-target": "the client decides where a link opens",
    "html-loading-attribute": "pictures load at once",
    "html-style": "only what stands in style attributes counts",
    "html-wbr": "long words break where the client breaks them",
    "html-address": "it is a plain box",
    "html-hidden": "it is shown",
}


def check_compatibility(page: Page, clients: tuple[str, ...] = DEFAULT_CLIENTS) -> Iterator[Finding]:
    """What breaks, degrades or is missed in these clients."""
    broken: dict[str, set[str]] = {}
    for found in breaking(page, clients):
        broken.setdefault(found.rule, set()).update(found.clients)
        yield found
    for feature, used in _by_feature(page).items():
        fact = table()[feature]
        left = tuple(client for client in clients if client not in broken.get(feature, ()))
        yield from _judge(page, fact, used, left)


def _by_feature(page: Page) -> dict[str, list[Use]]:
    found: dict[str, list[Use]] = {}
    for use in uses(page):
        found.setdefault(use.feature, []).append(use)
    return found


def _judge(page: Page, fact: Fact, used: list[Use], clients: tuple[str, ...]) -> Iterator[Finding]:
    unknown = fact.without(clients, "n")
    about = [(use, hit) for use in used if (hit := _concerned(page, use, unknown))]
    if about:
        first, _ = about[0]
        hit = tuple(client for client in unknown if any(client in concerned for _, concerned in about))
        loss = WITHOUT.get(fact.feature)
        yield Finding(
            fact.feature,
            Severity.NOTE if loss else Severity.DEGRADES,
            Group.COMPATIBILITY,
            f"{spoken(fact.feature)} is not known to {client_names(hit)}" + (f": {loss}" if loss else ""),
            hint="" if loss else _hint(fact.feature),
            template=_place(page, first)[0],
            line=_place(page, first)[1],
            clients=hit,
            tested_on=fact.tested_on,
            count=len(about),
            selector=selector_of(first.element),
        )


def _concerned(page: Page, use: Use, clients: tuple[str, ...]) -> tuple[str, ...]:
    """The clients for which this use counts: not those that skip the block or the hook it stands in."""
    if use.rule is None:
        return without_word(clients) if id(use.element) in page.hidden_from_word else clients
    if "[data-ogs" in use.rule.selector:
        return tuple(client for client in clients if client == "outlook.outlook-com")
    blocks = [
        feature
        for words, feature in (
            ("prefers-color-scheme", "css-at-media-prefers-color-scheme"),
            ("@media", "css-at-media"),
        )
        if use.rule.is_within(words)
    ]
    skipping = {client for feature in ["html-style", *blocks] for client in table()[feature].without(clients, "n")}
    return tuple(client for client in clients if client not in skipping)


def _place(page: Page, use: Use) -> Place:
    if use.place != (None, None) or use.declaration is None:
        return use.place
    return page.place_of_declaration(use.element, use.declaration.name)


def spoken(feature: str) -> str:
    """A feature as it is written in a template: ``border-radius``, ``<form>``, ``image/webp``."""
    kind, _, name = feature.partition("-")
    if feature.startswith("css-at-"):
        return f"@{name.removeprefix('at-').replace('media-', 'media ')}"
    if feature.startswith("css-pseudo-"):
        _, what, word = name.split("-", 2)
        return f"{'::' if what == 'element' else ':'}{word}"
    if feature.startswith("css-unit-"):
        return f"the unit {name.removeprefix('unit-')}"
    if feature.startswith("css-selector-"):
        return f"the {name.removeprefix('selector-')} selector"
    return {"html": f"<{name}>" if "-" not in name else name, "image": f"image/{name}"}.get(kind, name)


def _hint(feature: str) -> str:
    return f'See that it reads well without, and say so: {{# lint: ignore {feature} "why that is fine" #}}'
