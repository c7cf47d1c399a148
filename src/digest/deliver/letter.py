"""The letter of one issue: everything the messages share, filled with what is personal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from digest.config.secrets import Keyring, Purpose
from digest.config.settings import Settings
from digest.mime.ids import feedback_id, message_id
from digest.mime.message import Message, build
from digest.model.delivery import Marked, Recipient
from digest.model.errors import ConfigInvalid
from digest.model.issue import Issue, Rendition
from digest.model.publication import Publication
from digest.text.slots import fill_html, fill_text
from digest.text.wording import plain_date


@dataclass(frozen=True, slots=True)
class Letter:
    """One issue ready to be addressed: publication, issue, its renditions by row id, and this site's identity."""

    publication: Publication
    issue: Issue
    renditions: Mapping[int, Rendition]
    keyring: Keyring
    base_url: str
    return_path: str
    unsubscribe_mailbox: str

    def personal(self, recipient: Recipient) -> dict[str, str]:
        """The slot values of one recipient, not yet escaped."""
        return {
            "email": recipient.email,
            "signed_up_on": plain_date(recipient.signed_up_at.date(), recipient.locale),
            "unsubscribe_url": self.unsubscribe_url(recipient),
        }

    def unsubscribe_url(self, recipient: Recipient) -> str:
        """The address that both the visible link and the List-Unsubscribe header carry."""
        return f"{self.base_url}/u/{self.keyring.sign(Purpose.UNSUBSCRIBE, recipient.token_id)}"

    def message(self, recipient: Recipient, marked: Marked) -> Message:
        """The message of one delivery. Every attempt gives the same: the Date is that of the first one."""
        if recipient.rendition_id is None:
            raise ValueError("a delivery without a rendition cannot be filled")
        rendition = self.renditions[recipient.rendition_id]
        values = self.personal(recipient)
        sender = self.publication.sender_email
        domain = _domain(sender)
        token = self.keyring.sign(Purpose.UNSUBSCRIBE, recipient.token_id)
        mailbox, _, mail_domain = self.unsubscribe_mailbox.rpartition("@")
        return Message(
            sender_name=self.publication.sender_name,
            sender_email=sender,
            reply_to=self.publication.reply_to,
            to_email=recipient.email,
            subject=rendition.subject,
            date=marked.first_attempt_at,
            message_id=message_id(
                self.keyring.stable, issue_id=self.issue.id, subscriber_id=recipient.subscriber_id, domain=domain
            ),
            list_id_name=self.publication.name,
            list_id=f"{self.publication.slug}.{domain}",
            unsubscribe_url=values["unsubscribe_url"],
            unsubscribe_mailto=f"mailto:{mailbox}+unsubscribe-{token}@{mail_domain}",
            archive_url=f"{self.base_url}/{self.publication.slug}/{self.issue.number}",
            help_url=None,
            feedback_id=feedback_id(self.issue.id, self.publication.slug, kind=self.issue.cadence, sender=domain),
            language=recipient.locale,
            text=fill_text(rendition.text, values),
            html=fill_html(rendition.html, values) if rendition.key.format == "html" else None,
        )

    def wire(self, recipient: Recipient, marked: Marked) -> bytes:
        """The bytes of one delivery's message, checked. Raises MessageInvalid."""
        return build(self.message(recipient, marked))


def _domain(address: str) -> str:
    return address.rpartition("@")[2].encode("idna").decode("ascii")


def address_letter(
    publication: Publication, issue: Issue, renditions: Mapping[int, Rendition], *, settings: Settings, keyring: Keyring
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
    )
