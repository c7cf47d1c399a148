"""Whatever an issue says, to whomever, in whatever language: what is filled is what would be rendered, what is hashed
is what is sent, and no mail server finds anything in it to change."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from digest.config.secrets import Keyring
from digest.config.settings import Settings
from digest.deliver.letter import Letter, address_letter
from digest.mime.dkim import Signer
from digest.mime.message import build
from digest.model.delivery import Marked, Recipient
from digest.model.issue import IssueState, Rendition, RenditionKey
from digest.smtp.envelope import after_data, as_chunk, dot_stuffed
from support.composing import issue, publication
from support.dkimkeys import ed25519_key, rsa_key, verifies
from support.mailing import LANGUAGES
from support.slotted import SLOTTED

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
SETTINGS = Settings.model_validate({"base_dir": Path(), "site": {"base_url": "https://news.example.com"}})
SENDERS = {
    "desk@example.com": "example.com",
    "redaktion@bücher.example": "xn--bcher-kva.example",
    "desk@straße.example": "xn--strae-oqa.example",
}
LINE = st.text(st.one_of(st.characters(), st.sampled_from('  ..=\n\r\tFrom,"\\<é日ש')), max_size=120)
ADDRESS = st.builds(
    "{}@{}".format,
    st.lists(st.text("abz09!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=20), min_size=1, max_size=3).map(".".join),
    st.sampled_from(["example.org", "münchen.example", "例え.example", f"{'d' * 60}.example.net"]),
)
READER = st.builds(
    Recipient,
    issue_id=st.just(5),
    subscriber_id=st.integers(1, 2**31),
    rendition_id=st.sampled_from([1, 2]),
    attempt=st.integers(1, 9),
    first_attempt_at=st.none(),
    email=ADDRESS,
    name=LINE,
    locale=st.sampled_from([language for language in LANGUAGES if language]),
    token_id=st.text("abcXYZ019-_", min_size=1, max_size=22),
    signed_up_at=st.dates(date(1999, 1, 1), date(2026, 1, 1)).map(
        lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC)
    ),
)


def letter_with(sender: str, *, name: str, subject: str, text: str, html: str) -> Letter:
    """An issue in both formats, signed with both algorithms by its sender's domain."""
    renditions = {
        number: Rendition(number, 5, RenditionKey((), "en", kind), f"x{subject}", html, text)
        for number, kind in ((1, "html"), (2, "text"))
    }
    return address_letter(
        publication(sender_email=sender, sender_name=name, name=f"x{name}"),
        issue(state=IssueState.SENDING),
        renditions,
        settings=SETTINGS,
        keyring=Keyring([b"a key for tests, thirty-two bytes"]),
        signer=Signer([rsa_key(SENDERS[sender]), ed25519_key(SENDERS[sender])]),
    )


def reading(wire: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, bytes]]]:
    """What a mail program sees: header fields but signatures and encodings, and each part decoded."""
    mail = message_from_bytes(wire, policy=policy.compat32)
    parts = mail.get_payload() if mail.is_multipart() else [mail]
    skipped = {"Content-Transfer-Encoding", "DKIM-Signature"}
    return (
        [(name, value) for name, value in mail.items() if name not in skipped],
        [
            (part.get_content_type(), part.get_payload(decode=True).replace(b"\r\n", b"\n").rstrip(b"\n"))
            for part in parts
        ],
    )


def body_hashes(wire: bytes) -> set[str]:
    """What the signatures say of the body."""
    head = re.sub(rb"\r\n[ \t]+", b" ", wire.partition(b"\r\n\r\n")[0])
    return {found.decode() for found in re.findall(rb"bh=([A-Za-z0-9+/=]+);", head)}


@settings(deadline=None, max_examples=100)
@given(
    sender=st.sampled_from(list(SENDERS)),
    name=LINE,
    subject=LINE,
    text=SLOTTED,
    html=SLOTTED,
    readers=st.lists(READER, min_size=1, max_size=3),
)
def test_any_letter_to_anybody_says_what_would_be_rendered_and_is_sent_as_it_was_hashed(
    *, sender: str, name: str, subject: str, text: str, html: str, readers: list[Recipient]
):
    letter = letter_with(sender, name=name, subject=subject, text=text, html=html)
    for reader in readers:
        marked = Marked(reader.subscriber_id, reader.attempt, NOW)
        wire = letter.wire(reader, marked)
        formed = letter.formed(reader, marked)
        head, _, body = wire.partition(b"\r\n\r\n")
        keys = [rsa_key(SENDERS[sender]), ed25519_key(SENDERS[sender])]

        assert reading(wire) == reading(build(letter.message(reader, marked)))
        assert verifies(wire, keys) == [True, True]
        # RFC 6376 §3.4.4: a body of nothing but empty lines is hashed as an empty one.
        hashed = hashlib.sha256(body if body.strip(b"\r\n") else b"").digest()
        assert body_hashes(wire) == {base64.b64encode(hashed).decode()}
        assert b"".join(formed.pieces) == wire
        assert formed.size == len(wire)
        assert b"".join(after_data(formed)) == dot_stuffed(wire) == wire + b".\r\n", "no line starts with a dot"
        assert b"".join(as_chunk(formed)) == b"BDAT %d LAST\r\n%b" % (len(wire), wire)
        assert wire.isascii()
        assert max(map(len, head.split(b"\r\n"))) <= 998
        assert max(map(len, body.split(b"\r\n"))) <= 76
        assert not any(
            line.startswith((b".", b"From ")) or line.endswith((b" ", b"\t")) for line in body.split(b"\r\n")
        )


@settings(deadline=None, max_examples=60)
@given(text=SLOTTED, html=SLOTTED, readers=st.lists(READER, min_size=2, max_size=2, unique_by=lambda one: one.token_id))
def test_one_reader_always_gets_the_same_bytes_and_nothing_of_another_s(text: str, html: str, readers: list[Recipient]):
    def fresh() -> Letter:
        return letter_with("desk@example.com", name="Desk", subject="News", text=text, html=html)

    used = fresh()
    mark = [Marked(reader.subscriber_id, reader.attempt, NOW) for reader in readers]
    first, second = (used.wire(reader, marked) for reader, marked in zip(readers, mark, strict=True))

    assert first == fresh().wire(replace(readers[0], attempt=7, first_attempt_at=NOW), mark[0])
    assert second == fresh().wire(readers[1], mark[1])
    assert used.unsubscribe_url(readers[1]).encode() not in first
    assert used.unsubscribe_url(readers[0]).encode() not in second
