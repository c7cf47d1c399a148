"""Pictures for sample issues and the demo, drawn from a name: hills, a sky, a sun. Nothing is downloaded.

Rules: pure and deterministic; the same name and size give the same bytes. Written as palette PNG with the
standard library alone (PNG specification, third edition, sections 5.2 and 11.2).
"""

from __future__ import annotations

import math
import struct
import zlib
from random import Random

Colour = tuple[int, int, int]

_SKY_BANDS = 48
_RIDGES = 4
# Sky from top to horizon, the nearest hill, the sun; hills in between fade towards the horizon.
_PALETTES: dict[str, tuple[Colour, Colour, Colour, Colour]] = {
    "dusk": ((0xF3, 0xB6, 0x76), (0xE3, 0x8E, 0x6C), (0x22, 0x26, 0x44), (0xFC, 0xEE, 0xCB)),
    "night": ((0x17, 0x1D, 0x44), (0x39, 0x45, 0x82), (0x0B, 0x0E, 0x22), (0xF2, 0xE8, 0xCC)),
    "day": ((0x9F, 0xCF, 0xE8), (0xDD, 0xEE, 0xF2), (0x1F, 0x46, 0x3B), (0xFF, 0xF4, 0xC8)),
    "haze": ((0xE9, 0xE2, 0xD2), (0xF6, 0xF1, 0xE6), (0x3A, 0x57, 0x58), (0xFF, 0xFF, 0xF4)),
    "violet": ((0x15, 0x10, 0x2B), (0x3C, 0x2A, 0x5E), (0x08, 0x06, 0x14), (0xF4, 0xE4, 0xC0)),
}


def picture(name: str, *, width: int = 1200, height: int = 630) -> bytes:
    """A landscape as PNG, its shapes chosen by ``name``; ``width`` and ``height`` in pixels.

    A name that begins with ``dusk- night- day- haze-`` or ``violet-`` has those colours, another one any of them.
    """
    rng = Random(zlib.crc32(name.encode()))  # noqa: S311 - shapes, not secrets
    top, horizon, near, sun = _PALETTES.get(name.partition("-")[0]) or rng.choice(list(_PALETTES.values()))
    palette = [_mix(top, horizon, band / (_SKY_BANDS - 1)) for band in range(_SKY_BANDS)]
    palette += [_mix(horizon, near, (ridge + 1.4) / (_RIDGES + 0.4)) for ridge in range(_RIDGES)] + [sun]
    columns = _columns(rng, width, height)
    rows = b"".join(b"\x00" + bytes(row) for row in zip(*columns, strict=True))
    return _png(width, height, palette, rows)


def _columns(rng: Random, width: int, height: int) -> list[bytearray]:
    """Palette indexes by column: sky bands, then the sun, then each ridge over what is behind it."""
    sky = bytes(min(_SKY_BANDS - 1, y * _SKY_BANDS // (height * 3 // 4)) for y in range(height))
    sun_x, sun_y, radius = width * rng.uniform(0.3, 0.75), height * rng.uniform(0.25, 0.4), height * 0.085
    waves = [[(rng.uniform(1, 3) * 2**octave, rng.uniform(0, 6.28)) for octave in range(4)] for _ in range(_RIDGES)]
    columns = []
    for x in range(width):
        column = bytearray(sky)
        half = math.sqrt(max(0.0, radius**2 - (x - sun_x) ** 2))
        _paint(column, int(sun_y - half), int(sun_y + half), _SKY_BANDS + _RIDGES)
        for ridge, wave in enumerate(waves):
            swing = sum(math.sin(rate * x / width * 3.1 + shift) / (n + 1.3) for n, (rate, shift) in enumerate(wave))
            _paint(column, int(height * (0.5 + 0.13 * ridge + 0.045 * swing)), height, _SKY_BANDS + ridge)
        columns.append(column)
    return columns


def _paint(column: bytearray, start: int, end: int, index: int) -> None:
    start, end = max(0, start), min(len(column), end)
    if start < end:
        column[start:end] = bytes([index]) * (end - start)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _png(width: int, height: int, palette: list[Colour], rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    colours = b"".join(bytes(colour) for colour in palette)
    chunks = (b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)
