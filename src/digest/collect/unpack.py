"""Unpacking what comes over the wire while it comes, within limits: neither a bomb nor a slip costs memory.

Layers come off one by one: what Content-Encoding names (RFC 9110 §8.4), and then gzip files inside
(``feed.xml.gz``, also sent with an encoding on top). Every layer gives at most a piece at a time, so the memory
needed beside the document itself is a few pieces whatever it is.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

#: Bytes on the wire, whatever they unpack to.
MAX_WIRE_BYTES = 10_000_000
#: Text compresses 5 to 20 times; after a megabyte nothing honest is packed tighter than this (collection.md F8).
MAX_RATIO = 200
_RATIO_AFTER_BYTES = 1_000_000
_PIECE_BYTES = 64 * 1024
_MAX_LAYERS = 4
_GZIP_MAGIC = b"\x1f\x8b"
_KNOWN = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


class TooLarge(Exception):
    """The document is larger than it may be; the message says by which measure."""


class Undecodable(Exception):
    """The bytes are not what they are said to be, or they stop too early."""


class Unpacker:
    """Takes pieces as they come (`feed`) and gives the document (`finish`). ``encoding`` is Content-Encoding."""

    def __init__(self, encoding: str, *, max_bytes: int) -> None:
        names = [name.strip().lower() for name in encoding.split(",") if name.strip()]
        names = [name for name in names if name != "identity"]
        unknown = [name for name in names if name not in _KNOWN]
        if unknown or len(names) > _MAX_LAYERS:
            raise Undecodable(f"its encoding {encoding[:60]!r} was not asked for")
        self._layers = [_Layer(_KNOWN[name]) for name in reversed(names)]
        self._max_bytes = max_bytes
        self._head = b""
        self._is_plain = False
        self._body = bytearray()
        self.wire_bytes = 0

    def expect(self, size_bytes: int) -> None:
        """Take a length that is announced. Raises TooLarge."""
        if size_bytes > MAX_WIRE_BYTES:
            raise TooLarge(f"{size_bytes:,} bytes are announced")

    def feed(self, piece: bytes) -> None:
        """Take the next piece. Raises TooLarge or Undecodable."""
        self.wire_bytes += len(piece)
        if self.wire_bytes > MAX_WIRE_BYTES:
            raise TooLarge(f"more than {MAX_WIRE_BYTES:,} bytes came over the wire")
        self._pass(0, piece)

    def finish(self) -> bytes:
        """The whole document. Raises Undecodable when a packed one was cut off."""
        if not self._is_plain:
            self._keep(self._head)
        if any(not layer.is_done for layer in self._layers):
            raise Undecodable("it was cut off")
        return bytes(self._body)

    def _pass(self, level: int, piece: bytes) -> None:
        """Send a piece through the layers from ``level`` on."""
        if level == len(self._layers):
            self._arrive(piece)
            return
        for part in self._layers[level].unpack(piece):
            self._pass(level + 1, part)

    def _arrive(self, piece: bytes) -> None:
        """Unpacked of all known layers: the document, or the beginning of a gzip file inside."""
        if self._is_plain:
            self._keep(piece)
            return
        self._head += piece
        if len(self._head) < len(_GZIP_MAGIC):
            return
        head, self._head = self._head, b""
        if head.startswith(_GZIP_MAGIC) and len(self._layers) < _MAX_LAYERS:
            self._layers.append(_Layer("gzip"))
            self._pass(len(self._layers) - 1, head)
        else:
            self._is_plain = True
            self._keep(head)

    def _keep(self, piece: bytes) -> None:
        self._body += piece
        size = len(self._body)
        if size > self._max_bytes:
            raise TooLarge(f"it is larger than {self._max_bytes:,} bytes")
        if self._layers and size > _RATIO_AFTER_BYTES and size > MAX_RATIO * self.wire_bytes:
            raise TooLarge(f"it unpacks to more than {MAX_RATIO} times its size")


class _Layer:
    """One compression to take off."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._head = b""
        self._inflate: zlib._Decompress | None = None
        self._is_transparent = False

    @property
    def is_done(self) -> bool:
        """Whether the packed stream has come to its end (or never was one)."""
        return self._is_transparent or (self._inflate is None and not self._head) or self._has_ended

    @property
    def _has_ended(self) -> bool:
        return self._inflate is not None and self._inflate.eof

    def unpack(self, piece: bytes) -> Iterator[bytes]:
        """What one piece unpacks to, a piece at a time."""
        if not self._is_transparent and self._inflate is None:
            self._head += piece
            if len(self._head) < len(_GZIP_MAGIC):
                return
            piece, self._head = self._head, b""
            self._inflate = self._opened(piece)
            self._is_transparent = self._inflate is None  # servers call plain text gzip; its first bytes tell
        if self._inflate is None:
            yield piece
            return
        packed, unpacked = piece, b""
        while packed or len(unpacked) == _PIECE_BYTES:  # a full piece: zlib may hold more of it back
            unpacked, packed = self._next_piece(self._inflate, packed)
            if unpacked:
                yield unpacked

    def _opened(self, head: bytes) -> zlib._Decompress | None:
        if self._kind == "gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS) if head.startswith(_GZIP_MAGIC) else None
        if head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0:
            return zlib.decompressobj()  # as RFC 9110 §8.4.1.2 asks
        return zlib.decompressobj(-zlib.MAX_WBITS)  # as many servers send it

    def _next_piece(self, inflate: zlib._Decompress, packed: bytes) -> tuple[bytes, bytes]:
        """(the next unpacked piece, what is still packed)."""
        if inflate.eof:  # gzip files may be joined (RFC 1952 §2.2); what else follows is of no use
            if self._kind != "gzip" or not packed.startswith(_GZIP_MAGIC):
                return b"", b""
            inflate = self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            piece = inflate.decompress(packed, _PIECE_BYTES)
        except zlib.error as error:
            raise Undecodable(f"it cannot be unpacked ({error})") from error
        return piece, inflate.unused_data if inflate.eof else inflate.unconsumed_tail
