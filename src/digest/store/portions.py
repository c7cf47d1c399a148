"""Many keys or rows in statements of a size that every database takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

#: SQLite takes 32,766 parameters in a statement; a row has up to some twenty.
_SIZE = 500


def portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in order, at most 500 at a time."""
    return (items[start : start + _SIZE] for start in range(0, len(items), _SIZE))
