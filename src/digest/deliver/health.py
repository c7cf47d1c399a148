"""How a relay is at the moment, for those who watch; nothing is ever decided by it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RelayHealth:
    """One relay as one carrier sees it. ``paused_s``: seconds it is still left alone after trouble, 0 when well."""

    relay: str
    connections: int
    paused_s: float = 0.0
    is_used_up: bool = False
