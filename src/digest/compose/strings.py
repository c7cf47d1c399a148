"""Every word the digest itself says, in one place; templates reach them through ``t()``.

Rules: ids are short and closed, so a typo in a template is an error and not an English sentence. Values are
inserted by name. English only for now: other languages will come as Babel catalogues behind `translator`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

ENGLISH: Mapping[str, str] = {
    "issue-number": "No. {number}",
    "issue-minutes": "{minutes}-minute read",
    "plus": "Plus: {headlines}",
    "top-story": "Top story",
    "more-stories": "More stories",
    "more-headlines": "More headlines",
    "minutes": "{minutes} min read",
    "minutes-short": "{minutes} min",
    "also-at": "Also at",
    "also-more": "and {count} more",
    "updated": "updated",
    "untitled": "Untitled",
    "reason": "You get {publication} at {email} because you signed up on {date}.",
    "unsubscribe": "Unsubscribe",
    "web-view": "Read on the web",
    "sent-by": "{publication} is sent by {sender}.",
}

Translate = Callable[..., str]


def translator(catalogue: Mapping[str, str] = ENGLISH) -> Translate:
    """``t(id, **values)``: the text of ``id`` with its values put in. Raises KeyError for an unknown id."""

    def t(string_id: str, /, **values: object) -> str:
        return catalogue[string_id].format_map(values)

    return t
