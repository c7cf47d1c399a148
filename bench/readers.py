"""The addresses of the readers, which every sender and the counting sink agree on."""

from __future__ import annotations

#: What the sink is told to refuse for good and for now; no other address holds these words.
REFUSED, DEFERRED = "refused", "later"
#: Of a mixed audience every tenth is refused, and every tenth deferred.
_EVERY = 10


def address(number: int, *, mixed: bool = False) -> str:
    """The address of reader ``number``, from 1 on."""
    if mixed and number % _EVERY == 0:
        return f"{REFUSED}{number}@example.com"
    if mixed and number % _EVERY == _EVERY // 2:
        return f"{DEFERRED}{number}@example.com"
    return f"reader{number}@example.com"
