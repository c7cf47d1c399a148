from __future__ import annotations

import base64
import quopri
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mime.encode import encode, quoted_printable

TEXTS = {
    "arabic": "أخبار اليوم: «العنوان الأول» — تفاصيل أكثر في الموقع.\n" * 20,
    "japanese": "本日のニュース：見出し一。詳細はウェブで。\n" * 20,
    "german": "Grüße aus Köln  – mit  doppelten   Leerzeichen \n" * 5,
    "dots": ".\n..\n...\n.hidden\nend.\n" + "." * 300,
    "from": "From here\nnot From here\n" + "From " * 60,
    "blanks": "trailing \ntrailing\t\n \n\t\n" + " " * 200 + "\nx" + " " * 76 + "y",
    "equals": "=" * 200 + "\n=3D =\n=",
    "line ends": "one\r\ntwo\rthree\nfour",
    "boundary lengths": "\n".join("x" * length for length in range(70, 82)),
    "long word": "x" * 5000,
    "controls": "a\x00b\x0bc\x0cd\x7fe\u2028f\u0085g",
    "empty": "",
}


def decoded(text: str) -> tuple[str, bytes]:
    part = encode(text)
    raw = quopri.decodestring(part.raw) if part.name == "quoted-printable" else base64.b64decode(part.raw)
    return raw.decode(), part.raw


def canonical(text: str) -> str:
    return re.sub(r"\r\n|\r|\n", "\n", text).rstrip("\n") + "\n"


def assert_is_wire_safe(raw: bytes) -> None:
    lines = raw.split(b"\r\n")
    assert lines[-1] == b""
    assert raw.count(b"\n") == raw.count(b"\r") == len(lines) - 1
    assert max(map(len, lines)) <= 76
    assert raw.isascii()
    assert not any(line.startswith((b".", b"From ")) for line in lines)
    assert not any(line.endswith((b" ", b"\t")) for line in lines)
    assert b"  " not in raw
    assert b"\t" not in raw


@pytest.mark.parametrize("name", TEXTS)
def test_quoted_printable_reads_back_with_the_standard_decoder(name: str):
    raw = quoted_printable(canonical(TEXTS[name]).encode())

    assert quopri.decodestring(raw).decode().replace("\r\n", "\n") == canonical(TEXTS[name])
    assert_is_wire_safe(raw)


@pytest.mark.parametrize("name", TEXTS)
def test_the_chosen_encoding_reads_back(name: str):
    text, raw = decoded(TEXTS[name])

    assert text.replace("\r\n", "\n") == canonical(TEXTS[name])
    assert_is_wire_safe(raw)


@settings(deadline=None)
@given(st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from("  ..=\n\r\tFrom")), max_size=600))
def test_any_text_reads_back_and_is_wire_safe(text: str):
    back, raw = decoded(text)

    assert back.replace("\r\n", "\n") == canonical(text)
    assert_is_wire_safe(raw)


@settings(deadline=None)
@given(st.text(alphabet="aF. =\nrom é", max_size=600))
def test_any_quoted_printable_is_wire_safe(text: str):
    raw = quoted_printable(canonical(text).encode())

    assert quopri.decodestring(raw).decode().replace("\r\n", "\n") == canonical(text)
    assert_is_wire_safe(raw)


def test_the_shorter_encoding_is_chosen():
    assert encode("Grüße aus Köln, und ein ganzer Satz dazu. " * 9).name == "quoted-printable"
    assert encode(TEXTS["japanese"]).name == "base64"
    assert encode(TEXTS["arabic"]).name == "base64"


def test_a_lone_surrogate_does_not_stop_a_mail():
    assert decoded("a\ud800b")[0] == "a?b\r\n"
