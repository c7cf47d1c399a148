"""Which mail a reader is owed, and by which links it leads on; rendering and putting it in line are `app`'s.

A mail is posted in the transaction of its cause, so it is in line exactly when the cause is stored, and never twice:
its dedupe key names the cause. No mail carries a word that somebody typed into a form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.config.secrets import Keyring, Purpose
from digest.model.notice import EXPIRE_AFTER, NoticeKind
from digest.model.publication import Publication
from digest.store.engine import Tx

_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ReaderMail:
    """A mail to be rendered and put in line. ``links``: name (confirm, preferences, unsubscribe, undo) → address.

    ``facts`` is what the words may say: choices by name, never what somebody typed.
    """

    kind: NoticeKind
    publication: Publication
    email: str
    email_norm: str
    subscriber_id: int | None
    language: str
    dedupe_key: str
    links: Mapping[str, str]
    facts: Mapping[str, str] = field(default_factory=dict)
    expire_after: timedelta = EXPIRE_AFTER


#: Puts a mail in line, in the caller's transaction.
Post = Callable[[Tx, ReaderMail], None]


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses of pages that act for a reader."""

    base_url: str
    keyring: Keyring

    def confirm(self, signup_token_id: str) -> str:
        """The button page of a request to sign up."""
        return self._link("c", Purpose.CONFIRM, signup_token_id)

    def readdress(self, change_token_id: str) -> str:
        """The button page of a new address."""
        return self._link("a", Purpose.READDRESS, change_token_id)

    def preferences(self, token_id: str) -> str:
        """The preference centre."""
        return self._link("p", Purpose.PREFERENCES, token_id)

    def preferences_for_a_day(self, token_id: str, *, now: datetime) -> str:
        """The preference centre, for who asked for the way to it just now: it opens what is final as well."""
        token = self.keyring.sign_until(Purpose.PREFERENCES, token_id, expires_at=now + _DAY)
        return f"{self.base_url}/p/{token}"

    def unsubscribe(self, token_id: str) -> str:
        """The leaving page, as in every mail."""
        return self._link("u", Purpose.UNSUBSCRIBE, token_id)

    def undo(self, departure_token_id: str) -> str:
        """The button page that takes a departure back."""
        return self._link("b", Purpose.UNDO, departure_token_id)

    def _link(self, place: str, purpose: Purpose, public_id: str) -> str:
        return f"{self.base_url}/{place}/{self.keyring.sign(purpose, public_id)}"
