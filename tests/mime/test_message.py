from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mime.headers import clean
from digest.mime.message import build, check
from digest.model.errors import MessageInvalid
from support.mailcheck import check_message
from support.mails import UNSUBSCRIBE, a_message

EXPECTED = {
    *("date", "from", "to", "subject", "message-id", "reply-to", "list-id", "list-unsubscribe"),
    *("list-unsubscribe-post", "feedback-id", "auto-submitted", "precedence", "x-auto-response-suppress"),
    *("content-language", "mime-version", "content-type"),
}
HOSTILE = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from('\r\n\x00\x0b\x85\u2028 =?"<>,:@é日')), max_size=200
)


def test_a_built_mail_passes_the_strict_second_reader():
    checked = check_message(
        build(a_message()), rcpt="ann@example.org", postal_address="The Daily, 1 Main St, Springfield"
    )

    assert set(checked.headers) == EXPECTED
    assert checked.subject == "The news of Sunday"
    assert checked.sender_name == "The Daily"
    assert checked.unsubscribe_https == UNSUBSCRIBE
    assert checked.unsubscribe_mailto == "mailto:leave+0123@example.com"
    assert checked.text.startswith("Good morning.\n.\nFrom our desk")
    assert checked.html is not None
    assert checked.links_html == (UNSUBSCRIBE,)


def test_building_twice_gives_the_same_bytes():
    assert build(a_message()) == build(a_message())


def test_the_bytes_do_not_change_between_versions():
    """Golden: a retry after an upgrade must be the same mail. Change it knowingly."""
    assert hashlib.sha256(build(a_message())).hexdigest() == GOLDEN


GOLDEN = "2cd909704f23f5971a42a151902d056c1a9228950c85b08dd78c33c98f223a16"


@settings(max_examples=60, deadline=None)
@given(subject=HOSTILE, name=HOSTILE, length=st.integers(1, 900), list_name=HOSTILE, body=HOSTILE)
def test_hostile_input_adds_no_header_and_loses_no_text(
    subject: str, name: str, length: int, list_name: str, body: str
):
    url = "https://example.com/" + "u" * length
    wire = build(
        a_message(
            subject=f"x{subject}",
            sender_name=name,
            list_id_name=list_name if list_name.isascii() else "",
            unsubscribe_url=url,
            text=f"x{body}",
            html=f"x{body}",
        )
    )
    checked = check_message(wire, visible_unsubscribe=False)

    assert set(checked.headers) == EXPECTED
    assert checked.subject == clean(f"x{subject}")
    assert checked.unsubscribe_https == url
    assert checked.sender_email == "news@example.com"


def test_a_mail_without_html_is_one_text_part():
    wire = build(a_message(html=None))
    checked = check_message(wire)

    assert checked.html is None
    assert checked.headers["content-type"] == "text/plain; charset=utf-8"
    assert wire.endswith(b"Springfield\r\n")


def test_arabic_and_japanese_read_back():
    text = f"صباح الخير\n本日のニュース\n{UNSUBSCRIBE}"
    checked = check_message(build(a_message(subject="أخبار 本日", sender_name="日報", text=text)))

    assert checked.text.strip() == text
    assert checked.subject == "أخبار 本日"
    assert checked.sender_name == "日報"


def test_the_date_has_a_numeric_zone():
    date = datetime(2026, 11, 22, 8, 30, 59, 999, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    assert b"\r\nFrom:" in build(a_message(date=date))
    assert build(a_message(date=date)).startswith(b"Date: Sun, 22 Nov 2026 08:30:59 +0530\r\n")


def test_one_instant_in_two_zones_is_written_in_each():
    utc = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
    berlin = utc.astimezone(timezone(timedelta(hours=1)))

    assert build(a_message(date=utc)).startswith(b"Date: Sun, 22 Nov 2026 07:00:00 +0000\r\n")
    assert build(a_message(date=berlin)).startswith(b"Date: Sun, 22 Nov 2026 08:00:00 +0100\r\n")


def test_optional_headers_appear_when_there_is_something_to_say():
    checked = check_message(
        build(
            a_message(
                reply_to=None,
                unsubscribe_mailto=None,
                archive_url="https://news.example.com/daily/7",
                help_url="https://news.example.com/p/x",
            )
        )
    )

    assert "reply-to" not in checked.headers
    assert checked.unsubscribe_mailto is None
    assert checked.headers["list-archive"] == "<https://news.example.com/daily/7>"
    assert checked.headers["list-help"] == "<https://news.example.com/p/x>"


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": " \r\n"},
        {"to_email": "ann"},
        {"to_email": "ann@example.org, bob@example.org"},
        {"message_id": "abc@example.com"},
        {"message_id": "<a b@example.com>"},
        {"unsubscribe_url": "http://news.example.com/u/1"},
        {"unsubscribe_url": "https://news.example.com/u/>, <https://evil.example.org/"},
        {"unsubscribe_url": "https://news.example.com/u/" + "x" * 1000},
        {"unsubscribe_mailto": "leave@example.com"},
        {"list_id": "daily"},
        {"language": "en\r\nBcc: eve@example.org"},
        {"archive_url": "ftp://example.com/"},
        {"feedback_id": "1:é:digest:example"},
    ],
)
def test_a_mail_that_would_break_a_standard_is_refused(changes: dict[str, str]):
    with pytest.raises(MessageInvalid):
        build(a_message(**changes))


def test_plain_http_is_allowed_towards_this_machine_only():
    assert b"<http://127.0.0.1:8080/u/x>" in build(a_message(unsubscribe_url="http://127.0.0.1:8080/u/x"))


def test_a_naive_date_is_a_programming_fault():
    with pytest.raises(ValueError, match="aware"):
        build(a_message(date=datetime(2026, 11, 22)))  # noqa: DTZ001 - the fault under test


def test_only_the_to_header_of_an_smtputf8_recipient_is_not_7bit():
    wire = build(a_message(to_email="jörg@example.org"))

    assert "To: jörg@example.org\r\n".encode() in wire
    assert wire.replace("ö".encode(), b"o").isascii()


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b"A: b\r\n\r\nbare\nlf\r\n", "bare"),
        (b"A: b\r\n\r\nbare\rcr\r\n", "bare"),
        (b"A: b\r\n\r\n\0\r\n", "NUL"),
        (b"A: b\r\n\r\n" + b"x" * 999 + b"\r\n", "998"),
        (b"A: b\r\na: c\r\n\r\nx\r\n", "twice"),
        ("A: b\r\n\r\né\r\n".encode(), "7bit"),
        (b"A: b\r\n\r\nno end", "end"),
        (b"A: b\r\n", "end"),
    ],
)
def test_the_last_look_finds_broken_bytes(wire: bytes, words: str):
    with pytest.raises(MessageInvalid, match=words):
        check(wire)


def test_building_a_normal_digest_takes_little_time():
    """Far above the 0.6 ms it takes, to catch a regular expression that backtracks."""
    html = ('<td style="padding:0 16px;color:#333">Grüße aus Köln … a story. </td>' + "x" * 90 + "\n") * 160
    message = a_message(html=html)
    best = min(_timed(message) for _ in range(5))

    assert best < 0.02


def _timed(message: object) -> float:
    start = time.thread_time()
    build(message)  # type: ignore[arg-type]  # tests are not type-checked
    return time.thread_time() - start
