from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mime.headers import clean, free_text, listed, mailbox, structured
from digest.model.errors import MessageInvalid

HOSTILE = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from('\r\n\x00\x0b\x85\u2028 \t=?"\\<>,;:@()_aé日')), max_size=300
)
WORDS = re.compile(rb"=\?utf-8\?[qb]\?[^?\s]*\?=")


def value_of(raw: bytes) -> str:
    """The unfolded value, by the folding rule alone (RFC 5322 2.2.3)."""
    assert raw.endswith(b"\r\n")
    return re.sub(r"\r\n(?=[ \t])", "", raw[:-2].decode()).partition(": ")[2]


def assert_lines_are_sound(raw: bytes) -> None:
    lines = raw[:-2].split(b"\r\n")
    assert raw.endswith(b"\r\n")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert all(line.strip() and line == line.rstrip() for line in lines)
    assert all(line.startswith(b" ") for line in lines[1:])
    for line in lines:
        if b"=?" in line:
            assert len(line) <= 76
        for word in WORDS.findall(line):
            assert len(word) <= 75
            str(make_header(decode_header(word.decode())))


@settings(deadline=None)
@given(HOSTILE)
def test_any_subject_reads_back_as_its_cleaned_text(text: str):
    if not clean(text):
        with pytest.raises(MessageInvalid):
            free_text("Subject", text)
        return
    raw = free_text("Subject", text)

    assert str(make_header(decode_header(value_of(raw)))) == clean(text)
    assert_lines_are_sound(raw)
    assert raw.isascii()


@settings(deadline=None)
@given(HOSTILE)
def test_any_display_name_reads_back_beside_its_address(name: str):
    raw = mailbox("From", name, "news@example.com")
    message = message_from_bytes(raw + b"\r\n", policy=policy.default)

    assert_lines_are_sound(raw)
    assert message.keys() == ["From"]
    assert len(message["from"].addresses) == 1
    assert message["from"].addresses[0].addr_spec == "news@example.com"


@settings(deadline=None)
@given(st.text(alphabet="abc XYZ.,;:()\"\\@<>=?_'éß日本", max_size=200))
def test_display_names_of_printable_letters_read_back_exactly(name: str):
    """Address syntax first, then the encoded-words, as RFC 2047 §6.2 says; the modern parser of the standard
    library does it at once and keeps the space between two encoded-words that §6.2 drops."""
    raw = value_of(mailbox("From", name, "news@example.com"))

    shown, address = parseaddr(raw)
    assert address == "news@example.com"
    assert str(make_header(decode_header(shown))) == clean(name)


def test_text_that_looks_like_an_encoded_word_is_shown_as_it_was_written():
    raw = free_text("Subject", "How =?utf-8?q?this?= looks")

    assert b"=?utf-8?q?this?=" not in raw
    assert str(make_header(decode_header(value_of(raw)))) == "How =?utf-8?q?this?= looks"


def test_a_plain_subject_stays_plain_and_folds_at_blanks():
    raw = free_text("Subject", "plain words " * 20)

    assert b"=?" not in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 76


@pytest.mark.parametrize("length", [1, 40, 58, 77, 78, 79, 200, 500, 900])
def test_a_url_of_any_length_stays_whole_on_one_line(length: int):
    url = "<https://example.com/" + "x" * length + ">"
    lines = structured("List-Unsubscribe", f"{url},", "<mailto:u@example.com>").split(b"\r\n")

    assert sum(url.encode() in line for line in lines) == 1
    assert value_of(b"\r\n".join(lines)) == f"{url}, <mailto:u@example.com>"


def test_a_url_that_fits_no_line_is_refused():
    with pytest.raises(MessageInvalid, match="998"):
        structured("List-Unsubscribe", "<https://example.com/" + "x" * 1000 + ">")


@pytest.mark.parametrize("value", ["a\r\nBcc: eve@example.org", "a b", "é", "\x00", ""])
def test_a_structured_value_holds_printable_ascii_only(value: str):
    with pytest.raises(MessageInvalid):
        structured("Feedback-ID", value)


def test_a_list_name_is_never_encoded():
    assert listed("List-Id", "The Daily", "daily.example.com") == b"List-Id: The Daily <daily.example.com>\r\n"
    assert listed("List-Id", "Zoë's Daily", "daily.example.com") == b"List-Id: <daily.example.com>\r\n"
    assert listed("List-Id", "A, B", "daily.example.com") == b'List-Id: "A, B" <daily.example.com>\r\n'


def test_an_international_domain_is_written_as_a_labels():
    assert mailbox("To", "", "info@müller.example.com") == b"To: info@xn--mller-kva.example.com\r\n"


def test_a_malformed_address_cannot_become_a_header():
    with pytest.raises(MessageInvalid):
        mailbox("To", "", "ann@example.com>\r\nBcc: <eve@example.org")
