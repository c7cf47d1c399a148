"""A DNS of our own: names that mean what a test says, and that may change their mind."""

from __future__ import annotations

import socket
from collections import Counter

from aiohttp.abc import AbstractResolver, ResolveResult


class Names(AbstractResolver):
    """Answers from ``book``: name → addresses, one a look-up, the last one stays. Other names are unknown."""

    def __init__(self, book: dict[str, list[str]] | None = None, *, everything: str | None = None) -> None:
        self.book = book or {}
        self.everything = everything
        self.asked: Counter[str] = Counter()

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the port of aiohttp names it
    ) -> list[ResolveResult]:
        answers = self.book.get(host) or ([self.everything] if self.everything else [])
        if not answers:
            raise OSError(f"{host} is not in this book")
        address = answers[min(self.asked[host], len(answers) - 1)]
        self.asked[host] += 1
        found = ResolveResult(
            hostname=host,
            host=address,
            port=port,
            family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            proto=0,
            flags=socket.AI_NUMERICHOST,
        )
        return [found]

    async def close(self) -> None:
        pass
