"""Pictures of publishers, made small and harmless."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from digest.collect import resizing
from digest.model.errors import FeedMalformed


def encoded(mode: str, size: tuple[int, int], kind: str, colour: object = None, **options: object) -> bytes:
    picture = Image.new(mode, size, colour)  # type: ignore[arg-type]  # each mode has colours of its own
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def opened(copy: resizing.Resized) -> Image.Image:
    picture = Image.open(io.BytesIO(copy.content))
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (copy.width, copy.height))
    return picture


def test_a_wide_picture_keeps_its_shape_and_is_made_narrower():
    copy = resizing.resized(encoded("RGB", (2400, 1200), "PNG", "red"), width=1200, height=840, is_cut=False)

    assert (copy.width, copy.height) == (1200, 600)
    assert len(copy.content) < 40_000


def test_a_high_picture_is_cut_a_little_above_its_middle():
    tall = Image.new("RGB", (1000, 2000), "white")
    tall.paste("red", (0, 500, 1000, 900))
    out = io.BytesIO()
    tall.save(out, "PNG")

    copy = resizing.resized(out.getvalue(), width=1200, height=840, is_cut=False)

    assert (copy.width, copy.height) == (1000, 700)
    assert any(opened(copy).getpixel((500, y))[1] < 60 for y in range(0, 700, 20))  # type: ignore[index]


@pytest.mark.parametrize(("size", "want"), [((1600, 900), (224, 224)), ((300, 100), (100, 100)), ((90, 300), (90, 90))])
def test_a_small_picture_is_square_and_never_enlarged(size: tuple[int, int], want: tuple[int, int]):
    copy = resizing.resized(encoded("RGB", size, "JPEG", "blue"), width=224, height=224, is_cut=True)

    assert (copy.width, copy.height) == want


@pytest.mark.parametrize(
    ("mode", "kind", "colour"),
    [
        ("RGBA", "PNG", (0, 0, 0, 0)),
        ("LA", "PNG", (0, 0)),
        ("RGBA", "WEBP", (10, 20, 30, 0)),
    ],
)
def test_transparent_parts_become_white(mode: str, kind: str, colour: object):
    picture = opened(resizing.resized(encoded(mode, (200, 200), kind, colour), width=224, height=224, is_cut=True))

    assert min(picture.getpixel((100, 100))) > 250  # type: ignore[arg-type, type-var]


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "JPEG"), ("L", "JPEG"), ("1", "PNG"), ("P", "GIF"), ("I;16", "PNG"), ("RGB", "BMP"), ("CMYK", "TIFF")],
)
def test_every_kind_of_colour_becomes_an_ordinary_jpeg(mode: str, kind: str):
    opened(resizing.resized(encoded(mode, (300, 200), kind), width=224, height=224, is_cut=True))


def test_the_first_frame_stands_for_an_animation():
    frames = [Image.new("RGB", (200, 200), colour) for colour in ("red", "blue", "green")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])

    picture = opened(resizing.resized(out.getvalue(), width=224, height=224, is_cut=True))

    red, green, blue = picture.getpixel((100, 100))  # type: ignore[misc]
    assert red > 200
    assert max(green, blue) < 60


def test_cameras_held_sideways_are_put_upright_and_tell_nothing():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "A secret place"
    exif.get_ifd(0x8825)[1] = "N"
    raw = encoded("RGB", (800, 400), "JPEG", "red", exif=exif)

    copy = resizing.resized(raw, width=1200, height=2400, is_cut=False)

    assert (copy.width, copy.height) == (400, 800)
    assert not opened(copy).getexif()
    assert b"secret" not in copy.content
    assert b"Exif" not in copy.content


def bomb(width: int, height: int) -> bytes:
    """A PNG whose head promises more than any memory; there is next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (bomb(50_000, 50_000), "pixels"),
        (bomb(9_000, 9_000), "pixels"),
        (encoded("RGB", (20, 20), "PNG"), "only 20"),
        (encoded("RGB", (1000, 60), "PNG"), "strip"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot be read"),
        (b"<html>not found</html>", "cannot be read"),
        (b"", "cannot be read"),
        (encoded("RGB", (300, 300), "JPEG")[:400], "cannot be read"),
        (bomb(300, 300), "cannot be read"),
    ],
)
def test_what_is_no_picture_for_a_mail_is_refused_in_words(raw: bytes, said: str):
    with pytest.raises(FeedMalformed, match=said) as caught:
        resizing.resized(raw, width=224, height=224, is_cut=True)

    assert caught.value.hint


@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from(
        [encoded("RGB", (120, 80), kind, "red") for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")]
    ),
    at=st.integers(0, 400),
    junk=st.binary(max_size=40),
)
def test_damaged_files_give_a_picture_or_a_refusal(start: bytes, at: int, junk: bytes):
    with contextlib.suppress(FeedMalformed):
        resizing.resized(start[:at] + junk + start[at + len(junk) :], width=100, height=70, is_cut=False)
