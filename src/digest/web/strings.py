"""Every word our own web pages say, in one place; templates reach them through ``t()``, as mails do.

Rules: ids are closed, values go in by name. Plain words, short sentences: readers come here once, in a hurry.
"""

from __future__ import annotations

from collections.abc import Mapping

from digest.web.reader_strings import READERS

ENGLISH: Mapping[str, str] = {
    **READERS,
    "alerts-of": "breaking news of {publication}",
    "leave-title": "Leave {publication}?",
    "leave-address": "It goes to {email}.",
    "leave-button": "Unsubscribe",
    "leave-note": "One press is enough. No login, no questions.",
    "left-title": "You’re out",
    "left-text": "Nothing more from {publication} will be sent to {email} from now on.",
    "left-in-flight": (
        "A mail that was already on its way may still arrive: as a rule within minutes, "
        "and after a few days at the latest if your mail server could not be reached."
    ),
    "left-mistake": "Was that a mistake? Reply to any of our mails and ask to be put back on the list.",
    "gone-title": "You are not subscribed",
    "gone-text": "There is nothing to leave. No more mail will be sent to you because of this link.",
    "bad-link-title": "This link does not work",
    "bad-link-text": (
        "Part of it may have been lost on the way. Open it from the mail once more, or copy the whole of it. "
        "The unsubscribe button of your mail program works, too."
    ),
    "not-found-title": "There is nothing here",
    "not-found-text": "The address may be mistyped, or what it showed is not public.",
    "bad-request-title": "That could not be read",
    "bad-request-text": "The request was not complete. Go back and try once more.",
    "not-allowed-title": "Not this way",
    "not-allowed-text": "This page can be opened, but it does not take that kind of request.",
    "too-large-title": "That was too much",
    "too-large-text": "The request was larger than anything this page needs. Nothing was changed.",
    "unavailable-title": "One moment, please",
    "unavailable-text": "Our database does not answer just now. Nothing was lost; try again in a minute.",
    "failed-title": "Something went wrong on our side",
    "failed-text": "We have noted it. Try again in a few minutes.",
    "archive-title": "Every issue of {publication}",
    "archive-results": "“{query}” in {publication}",
    "archive-search": "Search the archive",
    "archive-find": "Search",
    "archive-found": "{count} issues found",
    "archive-found-one": "One issue found",
    "archive-found-none": "No issue has all of these words. Try fewer, or other ones.",
    "archive-empty": "Nothing has gone out yet. The first issue will be here on the day it is sent.",
    "archive-older": "Older issues",
    "archive-all": "All issues",
    "archive-feeds": "Follow in a reader:",
    "issue-number": "No. {number}",
    "issue-earlier": "Earlier: {subject}",
    "issue-later": "Later: {subject}",
    "issue-around": "Other issues",
    "by-author": "By {author}",
    "appeared-in": "Appeared in {publication}",
}
