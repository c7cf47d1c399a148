"""What befalls which attempt at a relay with bad luck: by seed, address and how often it was tried, not by timing.

Odds are chances by kind, each between 0 and 1; at most one thing befalls an attempt.
  refuse          550 5.1.1 at RCPT, at every attempt of that address
  defer           451 4.7.1 at RCPT
  busy            421 at a MAIL that is not the first of its connection, then hang up
  busy_at_rcpt    421 at RCPT, then hang up
  drop_at_rcpt    hang up instead of an answer to RCPT
  hang_at_rcpt    no answer to RCPT
  drop_in_body    hang up in the middle of the message
  drop_after_dot  take the mail, write it down, and hang up without an answer
  hang_at_dot     take the mail, write it down, and give no answer
  busy_for        not odds: after so many mails nobody is told 421 any more, so that the end need not wait for it
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b

AT_RCPT = ("defer", "busy_at_rcpt", "drop_at_rcpt", "hang_at_rcpt", "drop_in_body", "drop_after_dot", "hang_at_dot")


class Misfortunes:
    """The bad luck of one run of a relay."""

    def __init__(self, odds: Mapping[str, float], *, seed: str) -> None:
        if unknown := set(odds) - {*AT_RCPT, "refuse", "busy", "busy_for"}:
            raise ValueError(f"unknown misfortunes {sorted(unknown)}")
        self._odds = odds
        self._seed = seed
        self._tries: Counter[str] = Counter()

    def at_mail(self, accepted: int) -> bool:
        """Whether this MAIL is told 421; nobody is known yet whom it is for."""
        return self._is_busy_still(accepted) and self._draw("busy", "") < self._odds.get("busy", 0)

    def is_refused(self, address: str) -> bool:
        """Whether this address is refused, whenever and by whichever run of the relay it is asked for."""
        return _share(f"refuse/{address}") < self._odds.get("refuse", 0)

    def at_rcpt(self, address: str, accepted: int) -> str:
        """What befalls this attempt; "" for nothing."""
        share = self._draw("rcpt", address)
        for kind in AT_RCPT:
            chance = self._odds.get(kind, 0)
            if share < chance:
                return kind if kind != "busy_at_rcpt" or self._is_busy_still(accepted) else ""
            share -= chance
        return ""

    def _is_busy_still(self, accepted: int) -> bool:
        return accepted < self._odds.get("busy_for", float("inf"))

    def _draw(self, what: str, address: str) -> float:
        key = f"{what}/{address}"
        self._tries[key] += 1
        return _share(f"{self._seed}/{key}/{self._tries[key]}")


def _share(text: str) -> float:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / 2.0**64
