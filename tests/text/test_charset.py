from __future__ import annotations

import codecs

import pytest

from digest.text import charset

_TEXT = "<?xml version='1.0'?><r>Ünïcode “quotes” — €</r>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_unicode_in_any_dress_is_read(encoding: str):
    assert charset.decode(_TEXT.encode(encoding)).text == _TEXT


def test_valid_utf8_beats_a_declared_charset():
    raw = '<?xml version="1.0" encoding="iso-8859-1"?><r>é</r>'.encode()

    decoded = charset.decode(raw, content_type="text/xml; charset=windows-1251")

    assert (decoded.encoding, decoded.as_declared) == ("utf-8", False)
    assert "é" in decoded.text


def test_declared_latin1_means_windows_1252():
    raw = '<?xml version="1.0" encoding="ISO-8859-1"?><r>“é” €</r>'.encode("cp1252")

    assert charset.decode(raw).text.endswith("<r>“é” €</r>")


def test_a_declared_legacy_charset_is_believed():
    assert (
        charset.decode("Привет, мир".encode("koi8-r"), content_type="text/html; charset=KOI8-R").text == "Привет, мир"
    )


def test_an_undeclared_legacy_charset_is_detected():
    text = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 5

    assert charset.decode(text.encode("cp1251")).text == text


def test_a_stray_byte_costs_one_character_not_the_document():
    raw = "é".encode() * 20 + b"\x93x" + "ü".encode() * 20

    assert charset.decode(raw).text == "é" * 20 + "“x" + "ü" * 20


def test_several_boms_are_stripped():
    assert charset.decode(codecs.BOM_UTF8 * 2 + b"abc").text == "abc"


@pytest.mark.parametrize("name", ["rot13", "zlib", "no-such-charset", "idna"])
def test_names_that_are_no_charset_are_ignored(name: str):
    assert charset.decode(b"abc", content_type=f"text/plain; charset={name}").text == "abc"


def test_mojibake_is_put_right_and_other_text_left_alone():
    assert charset.unmojibake("cafÃ©") == "café"
    assert charset.unmojibake("Ã la carte: café") == "Ã la carte: café"


def test_windows_characters_that_came_through_as_controls_are_readable():
    assert charset.readable("don\x92t") == "don’t"
    assert charset.readable("donâ\x80\x99t") == "don’t"
    assert charset.readable("a\x85b") == "a\x85b"
