"""The letter of one issue: everything the messages share, filled with what is personal.

Rules of this file: `Letter.wire` is what readers get. It fills bytes that were compiled once for each rendition, and
signs them where a signer was given. `Letter.message` says the same as data, for looking at it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

from digest.config.secrets import Keyring, Purpose
from digest.config.settings import Settings
from digest.mime.compiled import CompiledMail, compile_mail
from digest.mime.dkim import PreparedSigner, Signer
from digest.mime.headers import header_address
from digest.mime.ids import feedback_id, message_id
from digest.mime.message import Message, personal_fields
from digest.model.delivery import Marked, Recipient
from digest.model.errors import ConfigInvalid
from digest.model.issue import Issue, Rendition
from digest.model.publication import Archive, Publication, is_alert
from digest.smtp.envelope import Formed
from digest.text.slots import fill_html, fill_text
from digest.text.wording import plain_date


@dataclass(frozen=True, slots=True)
class Letter:
    """One issue ready to be addressed: publication, issue, its renditions by row id, and this site's identity.

    ``signer`` None leaves signing to the relay. ``compiled`` fills itself, by rendition and language.
    """

    publication: Publication
    issue: Issue
    renditions: Mapping[int, Rendition]
    keyring: Keyring
    base_url: str
    return_path: str
    unsubscribe_mailbox: str
    signer: Signer | None = None
    compiled: dict[tuple[int, str], tuple[CompiledMail, PreparedSigner | None]] = field(
        default_factory=dict, repr=False, compare=False
    )
    token_of: Callable[[str], str] = field(init=False, repr=False, compare=False)
    preferences_of: Callable[[str], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        leaves = Purpose.LEAVE_ALERTS if self.is_alert else Purpose.UNSUBSCRIBE
        object.__setattr__(self, "token_of", self.keyring.signing(leaves))
        object.__setattr__(self, "preferences_of", self.keyring.signing(Purpose.PREFERENCES))

    @property
    def is_alert(self) -> bool:
        """Whether this is an alert: a list of its own beside the publication's, left by itself."""
        return is_alert(self.issue.cadence)

    def personal(self, recipient: Recipient) -> dict[str, str]:
        """The slot values of one recipient, not yet escaped."""
        return self._values(recipient, self.unsubscribe_url(recipient))

    def unsubscribe_url(self, recipient: Recipient) -> str:
        """The address that both the visible link and the List-Unsubscribe header carry."""
        return f"{self.base_url}/u/{self.token_of(recipient.token_id)}"

    def message(self, recipient: Recipient, marked: Marked) -> Message:
        """The message of one delivery. Every attempt gives the same: the Date is that of the first one."""
        rendition = self._rendition(recipient)
        values = self.personal(recipient)
        text = fill_text(rendition.text, values)
        html = fill_html(rendition.html, values) if rendition.key.format == "html" else None
        return self._message(recipient, marked.first_attempt_at, subject=rendition.subject, text=text, html=html)

    def wire(self, recipient: Recipient, marked: Marked) -> bytes:
        """The bytes of one delivery's message, the same on every attempt. Raises MessageInvalid."""
        return b"".join(self.formed(recipient, marked).pieces)

    def formed(self, recipient: Recipient, marked: Marked) -> Formed:
        """`wire` in pieces, ready for the conversation with a relay. Raises MessageInvalid."""
        date = marked.first_attempt_at
        token = self.token_of(recipient.token_id)
        made, signer = self._compiled(recipient, date)
        url = f"{self.base_url}/u/{token}"
        own = personal_fields(
            date=date,
            to_email=recipient.email,
            message_id=self._message_id(recipient),
            unsubscribe_url=url,
            unsubscribe_mailto=self._mailto(token),
        )
        head, body = made.head(own), made.body.fill(self._values(recipient, url))
        signatures = b"" if signer is None else signer.sign(b"".join(own), body, at=date)
        top = b"%b%b\r\n" % (signatures, head)
        return Formed((top, body), len(top) + len(body))

    def _compiled(self, recipient: Recipient, date: datetime) -> tuple[CompiledMail, PreparedSigner | None]:
        """The recipient's rendition, compiled now if it was not before. Two threads at once make the same twice."""
        rendition = self._rendition(recipient)
        key = (rendition.id, recipient.locale)
        made = self.compiled.get(key)
        if made is None:
            html = rendition.html if rendition.key.format == "html" else None
            example = self._message(recipient, date, subject=rendition.subject, text=rendition.text, html=html)
            mail = compile_mail(example)
            made = mail, self.signer.prepare(mail.fields) if self.signer else None
            self.compiled[key] = made
        return made

    def _rendition(self, recipient: Recipient) -> Rendition:
        if recipient.rendition_id is None:
            raise ValueError("a delivery without a rendition cannot be filled")
        return self.renditions[recipient.rendition_id]

    def _message(self, recipient: Recipient, date: datetime, *, subject: str, text: str, html: str | None) -> Message:
        sender = self.publication.sender_email
        domain = sender_domain(sender)
        token = self.token_of(recipient.token_id)
        return Message(
            sender_name=self.publication.sender_name,
            sender_email=sender,
            reply_to=self.publication.reply_to,
            to_email=recipient.email,
            subject=subject,
            date=date,
            message_id=self._message_id(recipient),
            list_id_name=f"{self.publication.name} alerts" if self.is_alert else self.publication.name,
            list_id=f"{'alerts.' if self.is_alert else ''}{self.publication.slug}.{domain}",
            unsubscribe_url=f"{self.base_url}/u/{token}",
            unsubscribe_mailto=self._mailto(token),
            archive_url=self._archive_url(),
            help_url=None,
            feedback_id=feedback_id(
                self.issue.id,
                self.publication.slug,
                kind="alert" if self.is_alert else self.issue.cadence,
                sender=domain,
            ),
            language=recipient.locale,
            text=text,
            html=html,
        )

    def _archive_url(self) -> str | None:
        if self.is_alert or self.publication.archive is Archive.OFF:
            return None
        return f"{self.base_url}/{self.publication.slug}/{self.issue.number}"

    def _values(self, recipient: Recipient, url: str) -> dict[str, str]:
        return {
            "email": recipient.email,
            "signed_up_on": _said(recipient.signed_up_at.date(), recipient.locale),
            "unsubscribe_url": url,
            "preferences_url": f"{self.base_url}/p/{self.preferences_of(recipient.token_id)}",
        }

    def _message_id(self, recipient: Recipient) -> str:
        domain = sender_domain(self.publication.sender_email)
        return message_id(
            self.keyring.stable, issue_id=self.issue.id, subscriber_id=recipient.subscriber_id, domain=domain
        )

    def _mailto(self, token: str) -> str:
        return unsubscribe_mailto(self.unsubscribe_mailbox, token)


_said = lru_cache(maxsize=4096)(plain_date)  # many readers signed up on one day


@lru_cache(maxsize=256)
def sender_domain(address: str) -> str:
    """The domain of a sender's address as A-labels, the same as in From: by IDNA 2008, where ``ß`` is no ``ss``."""
    return header_address(f"postmaster@{address.rpartition('@')[2]}").rpartition("@")[2]


def unsubscribe_mailto(mailbox: str, token: str) -> str:
    """The ``mailto:`` URI that leads to the mailbox for leaving, with the token in its address."""
    local, domain = _in_mailto(mailbox)
    return f"mailto:{local}+unsubscribe-{token}@{domain}"


@lru_cache(maxsize=256)
def _in_mailto(address: str) -> tuple[str, str]:
    """Local part and domain of an address as a ``mailto:`` URI has them (RFC 6068 §2): ASCII, percent-encoded."""
    return quote(address.rpartition("@")[0], safe="!$'*+"), sender_domain(address)


def address_letter(
    publication: Publication,
    issue: Issue,
    renditions: Mapping[int, Rendition],
    *,
    settings: Settings,
    keyring: Keyring,
    signer: Signer | None = None,
) -> Letter:
    """Put a letter together. Raises ConfigInvalid when the law asks for something that is missing."""
    if not publication.postal_address.strip():
        raise ConfigInvalid(
            f"publication {publication.slug!r} has no postal address, which every newsletter must show",
            hint=f"digest publication set {publication.slug} --postal-address '…'",
        )
    return Letter(
        publication=publication,
        issue=issue,
        renditions=renditions,
        keyring=keyring,
        base_url=settings.site.base_url,
        return_path=settings.delivery.return_path or publication.sender_email,
        unsubscribe_mailbox=settings.delivery.unsubscribe_mailbox or publication.sender_email,
        signer=signer,
    )
