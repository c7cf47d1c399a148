"""Colours as numbers: contrast by WCAG 2.2, and lightness by CIE Lab.

Rules: pure. A colour is sRGB with three parts from 0 to 1; one that is not opaque is laid over what lies below.
"""

from __future__ import annotations

from functools import lru_cache

from tinycss2.color4 import parse_color

from digest.compose.colours import luminance

Rgb = tuple[float, float, float]
WHITE: Rgb = (1.0, 1.0, 1.0)
BLACK: Rgb = (0.0, 0.0, 0.0)

_D65 = (0.95047, 1.0, 1.08883)
_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_TO_RGB = ((3.2404542, -1.5371385, -0.4985314), (-0.9692660, 1.8760108, 0.0415560), (0.0556434, -0.2040259, 1.0572252))
_EPSILON = 216 / 24389
_KAPPA = 24389 / 27


@lru_cache(maxsize=1024)
def parse(value: str, below: Rgb = WHITE) -> Rgb | None:
    """The colour a CSS value names, laid over ``below``; None for what is no colour or lets all through.

    None, too, for colours outside of sRGB (``oklch()``, ``color(display-p3 …)``), which hardly a mail client knows.
    """
    found = parse_color(value)
    if found is None or found == "currentcolor":
        return None
    try:
        parts: tuple[float | None, ...] = tuple(found.to("srgb").coordinates)
    except NotImplementedError:  # tinycss2 reads them, and says so of what it cannot convert
        return None
    alpha = float(found.alpha)
    if alpha == 0:
        return None
    shown = [min(1.0, max(0.0, part or 0.0)) for part in parts]
    over = [alpha * top + (1 - alpha) * bottom for top, bottom in zip(shown, below, strict=True)]
    return over[0], over[1], over[2]


def hexadecimal(colour: Rgb) -> str:
    """``#rrggbb``."""
    return "#" + "".join(f"{round(max(0.0, min(1.0, part)) * 255):02x}" for part in colour)


def contrast(one: Rgb, other: Rgb) -> float:
    """The contrast ratio of WCAG 2.2, from 1 to 21."""
    low, high = sorted((_level(one), _level(other)))
    return (high + 0.05) / (low + 0.05)


@lru_cache(maxsize=1024)
def _level(colour: Rgb) -> float:
    return luminance(colour)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _curved(part: float) -> float:
    return 12.92 * part if part <= 0.0031308 else float(1.055 * part ** (1 / 2.4) - 0.055)


@lru_cache(maxsize=1024)
def inverted(colour: Rgb, *, is_ground: bool) -> Rgb:
    """What a client that forces dark makes of a colour: light grounds go dark, dark text goes light.

    In Lab, L becomes 50 - 0.75 (L - 50) where it is on the wrong side of 50, and the chroma is cut by a fifth: the
    recipe that two preview tools publish. Clients differ; this is about their middle.
    """
    lightness, a, b = to_lab(colour)
    if (lightness >= 50) is not is_ground:
        return colour
    return from_lab(50 - 0.75 * (lightness - 50), a * 0.8, b * 0.8)


def to_lab(colour: Rgb) -> tuple[float, float, float]:
    """CIE Lab (D65): lightness from 0 to 100, and the two axes of colour."""
    linear = [_linear(part) for part in colour]
    x, y, z = (
        _bent(sum(factor * part for factor, part in zip(row, linear, strict=True)) / white)
        for row, white in zip(_TO_XYZ, _D65, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def from_lab(lightness: float, a: float, b: float) -> Rgb:
    """The nearest colour a screen can show."""
    y = (lightness + 16) / 116
    xyz = [_unbent(part) * white for part, white in zip((y + a / 500, y, y - b / 200), _D65, strict=True)]
    red, green, blue = (
        max(0.0, min(1.0, _curved(max(0.0, sum(factor * part for factor, part in zip(row, xyz, strict=True))))))
        for row in _TO_RGB
    )
    return red, green, blue


def _bent(part: float) -> float:
    return float(part ** (1 / 3)) if part > _EPSILON else (_KAPPA * part + 16) / 116


def _unbent(part: float) -> float:
    return part**3 if part**3 > _EPSILON else (116 * part - 16) / _KAPPA
