"""Whether text can be read on its ground, and the nearest shade that can.

Rules: contrast is that of WCAG 2.2 (success criterion 1.4.3), relative luminance of sRGB. A colour that fails keeps
its hue and saturation and gets the nearest lightness that passes. Colours that are no hexadecimal ones are left as
they are and named, for nobody here can tell what they come to.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping
from dataclasses import dataclass

#: Below 18 pt, text wants this much (WCAG 2.2, 1.4.3, level AA).
LEAST_CONTRAST = 4.5
#: Text colours, and the grounds each of them stands on.
GROUNDS: Mapping[str, tuple[str, ...]] = {
    "ink": ("card",),
    "text": ("card",),
    "muted": ("card", "page"),
    "accent": ("card",),  # and the other way round: a filled button has its words in the colour of the card
}
_MODES = ("light", "dark")
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}")
_STEPS = 200

Tables = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Note:
    """What was found about one colour of a theme. ``used`` is what is shown; ``ratio`` that of ``asked``, or None."""

    mode: str
    name: str
    asked: str
    used: str
    ratio: float | None
    ground: str

    @property
    def says(self) -> str:
        """One line for people."""
        if self.ratio is None:
            return f"{self.mode}.{self.name} = {self.asked} cannot be checked for contrast: write it as #rrggbb"
        return (
            f"{self.mode}.{self.name} = {self.asked} has a contrast of {self.ratio:.1f} on {self.ground}, "
            f"{LEAST_CONTRAST} is needed: {self.used} is used instead"
        )


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two hexadecimal colours, 1 to 21. Raises ValueError for any other notation."""
    lighter, darker = sorted((luminance(_rgb(one)), luminance(_rgb(other))), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def adjusted(theme: Tables) -> tuple[dict[str, dict[str, str]], tuple[Note, ...]]:
    """``theme`` with each text colour readable on its grounds in both modes, and what was changed for it."""
    made = {table: dict(values) for table, values in theme.items()}
    notes = []
    for mode in _MODES:
        colours = made.get(mode, {})
        for name, grounds in GROUNDS.items():
            if name in colours and (note := _look(mode, colours, name, grounds)):
                notes.append(note)
                colours[name] = note.used
    return made, tuple(notes)


def _look(mode: str, colours: Mapping[str, str], name: str, grounds: tuple[str, ...]) -> Note | None:
    """What is wrong with one colour, None when nothing is."""
    asked = colours[name]
    under = [colours[ground] for ground in grounds if ground in colours]
    if not all(_HEX.fullmatch(colour) for colour in (asked, *under)):
        return Note(mode, name, asked, asked, None, grounds[0])
    worst = min(under, key=lambda ground: contrast(asked, ground), default=None)
    if worst is None or (ratio := contrast(asked, worst)) >= LEAST_CONTRAST:
        return None
    return Note(mode, name, asked, _nearest(asked, under), ratio, worst)


def _nearest(colour: str, grounds: list[str]) -> str:
    """The colour in the nearest lightness that passes on every ground; the best there is when none does."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(colour))
    shades = [_hex(colorsys.hls_to_rgb(hue, step / _STEPS, saturation)) for step in range(_STEPS + 1)]
    by_distance = sorted(range(_STEPS + 1), key=lambda step: abs(step / _STEPS - lightness))

    def weakest(shade: str) -> float:
        return min(contrast(shade, ground) for ground in grounds)

    passing = (shades[step] for step in by_distance if weakest(shades[step]) >= LEAST_CONTRAST)
    return next(passing, None) or max(shades, key=weakest)


def _rgb(colour: str) -> tuple[float, float, float]:
    if not _HEX.fullmatch(colour):
        raise ValueError(f"{colour!r} is no hexadecimal colour")
    digits = colour[1:]
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


def _hex(rgb: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in rgb)


def luminance(rgb: tuple[float, float, float]) -> float:
    """Relative luminance of an sRGB colour whose parts go from 0 to 1, by WCAG 2.2."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
