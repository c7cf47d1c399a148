"""What a group of measurements hands back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One goal as it was measured; ``anchors`` are others' figures of the same run, by name.

    ``at_least`` tells whether the target is a lower bound.
    """

    group: str
    what: str
    measured: float
    target: float
    unit: str
    at_least: bool
    anchors: dict[str, float]

    @property
    def is_reached(self) -> bool:
        """Whether the goal is reached."""
        return self.measured >= self.target if self.at_least else self.measured <= self.target
