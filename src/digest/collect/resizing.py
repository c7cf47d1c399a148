"""A publisher's picture as a small JPEG of our own: bounded, upright, opaque, without metadata.

Rules: the size is read and refused before a pixel is decoded; only formats of photographs and drawings on the web are
opened; the first frame of an animation stands for it; transparent parts become white, as on paper. Nothing of the
original's metadata is kept: cameras write down where they were.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from digest.model.errors import FeedMalformed

#: Pixels of the largest picture that is decoded: 50 million take 150 MB, and no screen shows half of them.
MAX_PIXELS = 50_000_000
#: Below, it is an icon, a spacer or a counter.
MIN_SIDE = 48
#: Weight is what makes mail slow: 75 keeps photographs clean at a third of the bytes of 95.
QUALITY = 75
#: A strip is a banner or a rule, not a picture of something.
_MAX_RATIO = 5.0
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")


@dataclass(frozen=True, slots=True)
class Resized:
    """A JPEG and its size in pixels."""

    content: bytes
    width: int
    height: int


def resized(raw: bytes, *, width: int, height: int, is_cut: bool) -> Resized:
    """``raw`` as JPEG of at most ``width`` × ``height`` pixels, never enlarged.

    What is too high for that shape is cut, a little above its middle, where people have their faces; what is too wide
    stays wide, unless ``is_cut`` asks for exactly the shape. Raises FeedMalformed for what is no picture, too large,
    too small, or broken.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what is refused here by our own bound
            picture = _upright(raw, width=width, height=height)
            return _written(_shaped(picture, width=width, height=height, is_cut=is_cut))
    except Image.DecompressionBombError as error:  # Pillow's own bound, before ours
        raise FeedMalformed("the picture has far too many pixels", hint="that is more than is decoded") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        # Pillow raises each of these for broken files, by format
        raise FeedMalformed("the picture cannot be read", hint="its format is unknown or the file is broken") from error


def _upright(raw: bytes, *, width: int, height: int) -> Image.Image:
    """The first frame, opaque and turned as it was meant; never decoded before its size is known."""
    with Image.open(io.BytesIO(raw), formats=_available()) as opened:
        across, down = opened.size
        if across * down > MAX_PIXELS:
            raise FeedMalformed(f"the picture has {across} × {down} pixels", hint="that is more than is decoded")
        if min(across, down) < MIN_SIDE:
            raise FeedMalformed(f"the picture has only {across} × {down} pixels", hint="it is no illustration")
        if max(across, down) > _MAX_RATIO * min(across, down):
            raise FeedMalformed(f"the picture is a strip of {across} × {down} pixels", hint="it is no illustration")
        opened.draft(
            None, (2 * width, 2 * height)
        )  # a JPEG is decoded at a half, quarter or eighth where that is enough
        return _opaque(ImageOps.exif_transpose(opened))


def _shaped(picture: Image.Image, *, width: int, height: int, is_cut: bool) -> Image.Image:
    across, down = picture.size
    shape = width / height
    if is_cut or across / down < shape:
        scale = min(1.0, across / width, down / height) if is_cut else min(1.0, across / width)
        goal = (max(1, round(width * scale)), max(1, round(height * scale)))
        return ImageOps.fit(picture, goal, Image.Resampling.LANCZOS, centering=(0.5, 0.35))
    if across > width:
        return picture.resize((width, max(1, round(down * width / across))), Image.Resampling.LANCZOS)
    return picture


def _written(picture: Image.Image) -> Resized:
    out = io.BytesIO()
    # Baseline: Outlook's renderer shows progressive files late or not at all. No exif, no profile: pixels only.
    picture.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=False)
    return Resized(out.getvalue(), *picture.size)


def _opaque(picture: Image.Image) -> Image.Image:
    """RGB on white, from whatever mode a file has."""
    if picture.mode in {"P", "PA", "LA", "RGBA", "RGBa", "La"} or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        ground = Image.new("RGB", layer.size, "white")
        ground.paste(layer, mask=layer.getchannel("A"))
        return ground
    if picture.mode in {"I;16", "I;16B", "I;16L", "I", "F"}:  # 16 bits a pixel, which convert would only cut off
        picture = ImageOps.autocontrast(picture.point(lambda value: value / 256).convert("L"), cutoff=0)
    return picture.convert("RGB")


def _available() -> list[str]:
    """Of our formats, those this Pillow was built with."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]
