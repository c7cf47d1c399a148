"""The kinds of mail there are, and which personal values each may hold.

Rules: a kind is a folder of ``templates/email`` with ``subject.txt``, ``body.html`` and ``body.txt``. A template may
name only the slots of its kind: what nobody would fill is an error while composing, not while sending.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class MailKind(StrEnum):
    """What a mail is for; its value is the folder of its templates."""

    DIGEST = "digest"
    ALERT = "alert"
    CONFIRM = "confirm"
    WELCOME = "welcome"
    PREFERENCES = "preferences"
    GOODBYE = "goodbye"
    ADDRESS = "address"
    MOVED = "moved"

    @property
    def is_notice(self) -> bool:
        """Whether it goes to one person who did something, and not to everybody who subscribed."""
        return self not in {MailKind.DIGEST, MailKind.ALERT}


_SUBSCRIBED = frozenset({"email", "signed_up_on", "unsubscribe_url"})
_SLOTS: Mapping[MailKind, frozenset[str]] = {
    MailKind.DIGEST: _SUBSCRIBED,
    MailKind.ALERT: _SUBSCRIBED,
    MailKind.CONFIRM: frozenset({"email", "confirm_url"}),
    MailKind.WELCOME: _SUBSCRIBED,
    MailKind.PREFERENCES: frozenset({"email", "preferences_url"}),
    MailKind.GOODBYE: frozenset({"email", "undo_url"}),
    MailKind.ADDRESS: frozenset({"email", "confirm_url"}),
    MailKind.MOVED: frozenset({"email"}),
}


def slots_of(kind: MailKind, *, preferences: bool = False) -> frozenset[str]:
    """The slots a template of ``kind`` may use; ``preferences``: there is a page of settings to link to."""
    return _SLOTS[kind] | {"preferences_url"} if preferences else _SLOTS[kind]
