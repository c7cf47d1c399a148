from __future__ import annotations

import quopri
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.mime.compiled import CompiledMail, compile_body, compile_mail
from digest.mime.message import Message, build, check, personal_fields_of
from digest.model.errors import MessageInvalid
from digest.text.slots import CLOSE, OPEN, fill_html, fill_text, marker
from support.mailcheck import check_message
from support.mails import a_message
from support.slotted import NAMES, SLOTTED, VALUE

VALUES = {"email": "ann@example.org", "signed_up_on": "1 May 2026", "unsubscribe_url": "https://example.com/u/0.1"}


def filled(mail: CompiledMail, values: dict[str, str], message: Message) -> bytes:
    return mail.head(personal_fields_of(message)) + b"\r\n" + mail.body.fill(values)


def built(text: str, html: str | None, values: dict[str, str]) -> bytes:
    return build(a_message(text=fill_text(text, values), html=None if html is None else fill_html(html, values)))


def compiled(text: str, html: str | None, values: dict[str, str]) -> bytes:
    message = a_message(text=text, html=html)
    return filled(compile_mail(message), values, message)


def contents(wire: bytes) -> list[tuple[str, bytes]]:
    """Types and decoded parts. The line end before a boundary is the boundary's, but base64 brings its own."""
    mail = message_from_bytes(wire, policy=policy.compat32)
    parts = mail.get_payload() if mail.is_multipart() else [mail]
    return [
        (part.get_content_type(), part.get_payload(decode=True).replace(b"\r\n", b"\n").removesuffix(b"\n"))
        for part in parts
    ]


def headers(wire: bytes) -> list[tuple[str, str]]:
    fields = message_from_bytes(wire, policy=policy.compat32).items()
    return [(name, value) for name, value in fields if name != "Content-Transfer-Encoding"]


def assert_body_is_relaxed_already(wire: bytes) -> None:
    body = wire.partition(b"\r\n\r\n")[2]
    lines = body.split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert not any(line.endswith((b" ", b"\t")) or line.startswith((b".", b"From ")) for line in lines)
    assert b"  " not in body
    assert b"\t" not in body
    assert not body.endswith(b"\r\n\r\n")


@settings(deadline=None, max_examples=300)
@given(SLOTTED, st.one_of(st.none(), SLOTTED), st.fixed_dictionaries(dict.fromkeys(NAMES, VALUE)))
@example(f"a\n\n{marker('email')}\n", None, VALUES | {"email": ""})
@example(f"a\r{marker('email')}\nb", None, VALUES | {"email": ""})
@example("x" * 76 + marker("email") + marker("email"), " " + marker("email") + " ", VALUES | {"email": "y" * 76})
@example(marker("email"), f"From {marker('email')}.", VALUES | {"email": "From "})
def test_a_filled_mail_says_exactly_what_the_built_one_says(text: str, html: str | None, values: dict[str, str]):
    wire, plain = compiled(text, html, values), built(text, html, values)

    assert contents(wire) == contents(plain)
    assert headers(wire) == headers(plain)
    check(wire)
    if wire.partition(b"\r\n\r\n")[2] != b"\r\n":
        assert_body_is_relaxed_already(wire)


def test_without_slots_the_bytes_are_those_of_the_built_mail():
    assert compiled("Good morning.\n", "<p>日本のニュース</p>\n" * 9, {}) == built(
        "Good morning.\n", "<p>日本のニュース</p>\n" * 9, {}
    )


def test_one_compiled_mail_serves_many_readers():
    text, html = (
        f"Dear {marker('email')},\nbye.\n",
        f"<a href='{marker('unsubscribe_url')}'>Leave {marker('email')}</a>",
    )
    mail = compile_mail(a_message(text=text, html=html))
    for number in range(5):
        values = VALUES | {
            "email": f"r.{number}+é@example.org",
            "unsubscribe_url": f"https://example.com/?a={number}&b",
        }
        message = a_message(
            text=fill_text(text, values),
            html=fill_html(html, values),
            to_email=f"r.{number}@example.org",
            message_id=f"<{number}@example.com>",
            date=datetime(2026, 11, 22, 7, 0, number, tzinfo=UTC),
            unsubscribe_url=f"https://news.example.com/u/{number}",
            unsubscribe_mailto=None if number % 2 else f"mailto:u+{number}@example.com",
        )
        wire = filled(mail, values, message)

        assert contents(wire) == contents(build(message))
        assert headers(wire) == headers(build(message))
        check_message(wire, rcpt=message.to_email, visible_unsubscribe=False)


def test_the_bytes_of_a_slot_are_as_documented():
    """Golden: what stands around a slot never moves, and the value has its own line."""
    made = compile_body(f"Dear {marker('email')}, hello\n{marker('email')}\n", None, boundary="=_b")

    assert made.fill({"email": "ann@example.org"}) == (
        b"Dear=20=\r\nann@example.org=\r\n, hello\r\nann@example.org\r\n"
    )
    assert made.head.endswith(b"Content-Transfer-Encoding: quoted-printable\r\n")


@pytest.mark.parametrize("length", [1, 74, 75, 76, 77, 150, 151, 3000])
def test_a_value_of_any_length_fits(length: int):
    wire = compiled(f"a{marker('email')}b\n", None, {"email": "x" * length})

    assert contents(wire) == [("text/plain", b"a" + b"x" * length + b"b")]
    assert_body_is_relaxed_already(wire)


def test_a_text_with_slots_stays_quoted_printable_where_base64_would_be_shorter():
    made = compile_body("本日のニュース\n" * 30 + marker("email"), None, boundary="=_b")

    assert b"quoted-printable" in made.head
    assert quopri.decodestring(made.fill(VALUES)).decode().replace("\r\n", "\n").endswith("ス\nann@example.org\n")


def test_a_missing_value_or_half_a_marker_is_a_programming_fault():
    with pytest.raises(ValueError, match="no value for slot"):
        compile_body(marker("email"), None, boundary="=_b").fill({"signed_up_on": "x"})
    with pytest.raises(ValueError, match="half a slot"):
        compile_body(f"{OPEN}email", None, boundary="=_b")
    with pytest.raises(ValueError, match="unknown slot"):
        compile_body("x", f"{OPEN}password{CLOSE}", boundary="=_b")


@pytest.mark.parametrize("changes", [{"subject": " "}, {"list_id": "daily"}, {"to_email": "ann"}, {"feedback_id": "é"}])
def test_a_mail_that_would_break_a_standard_is_not_compiled(changes: dict[str, str]):
    with pytest.raises(MessageInvalid):
        compile_mail(a_message(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"to_email": "ann@example.org>\r\nBcc: <eve@example.org"},
        {"message_id": "<a b@example.com>"},
        {"unsubscribe_url": "http://news.example.com/u/1"},
        {"unsubscribe_url": "https://news.example.com/u/" + "x" * 1000},
        {"unsubscribe_mailto": "leave@example.com"},
    ],
)
def test_a_reader_whose_fields_would_break_a_standard_is_refused_alone(changes: dict[str, str]):
    mail = compile_mail(a_message())

    with pytest.raises(MessageInvalid):
        filled(mail, {}, a_message(**changes))
    assert filled(mail, {}, a_message())
