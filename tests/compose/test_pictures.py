from __future__ import annotations

import struct
import zlib

from digest.compose.pictures import picture


def test_a_picture_is_a_png_of_the_size_asked_for():
    raw = picture("dusk-harbour", width=60, height=40)

    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", raw[16:24]) == (60, 40)
    start = raw.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", raw[start - 8 : start - 4])
    assert len(zlib.decompress(raw[start : start + length])) == (60 + 1) * 40


def test_a_name_always_gives_the_same_picture_and_another_name_another():
    small = {"width": 40, "height": 30}

    assert picture("a", **small) == picture("a", **small)
    assert picture("a", **small) != picture("b", **small)
