"""A document's way through redirects: each hop is a decision of ours, and none of the HTTP library's."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from digest.collect.troubles import FetchFailed, Trouble, host_of

MAX_REDIRECTS = 5


class Journey:
    """One document's way through redirects: where it is, how long it may still take, what goes with each request."""

    def __init__(
        self,
        url: str,
        left_s: float,
        headers: dict[str, str],
        *,
        obeys_robots: bool = False,
        insecure_tls: bool = False,
        max_bytes: int | None = None,
    ) -> None:
        self.url = url
        self.left_s = left_s
        self.headers = headers
        self.obeys_robots = obeys_robots
        self.insecure_tls = insecure_tls
        self.max_bytes = max_bytes
        self.status: int | None = None
        self.moved_to: str | None = None
        self._is_permanent = True
        self._seen = {url}

    @property
    def is_conditional(self) -> bool:
        """Whether validators go with the request, so that 304 is an answer."""
        return bool(self.headers.keys() & {"If-None-Match", "If-Modified-Since"})

    def turn_to(self, location: str, *, is_permanent: bool) -> None:
        """Go to a redirect's target. Raises FetchFailed where that leads nowhere."""
        host = host_of(self.url)
        if not location:
            raise _lost(f"{host} redirects to nowhere", "tell the site's owner")
        target = urljoin(self.url, location.strip())
        parts = urlsplit(target)
        if parts.scheme not in {"http", "https"}:
            raise _lost(f"{host} redirects to {target[:80]!r}", "only http and https are followed")
        if host_of(target) != host:
            target = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()  # no credentials across hosts
            self.insecure_tls = False  # the exception was made for one host
        if target in self._seen:
            raise _lost(f"{host} redirects in a circle", "use the address the browser ends up at")
        if len(self._seen) > MAX_REDIRECTS:
            raise _lost(f"{host} redirects more than {MAX_REDIRECTS} times", "use the address the browser ends up at")
        self._seen.add(target)
        self._is_permanent = self._is_permanent and is_permanent
        if self._is_permanent:
            self.moved_to = target
        self.url = target


def _lost(message: str, hint: str) -> FetchFailed:
    return FetchFailed(message, hint=hint, trouble=Trouble.REDIRECT)
