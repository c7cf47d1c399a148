"""Checks of an installation, each with a remedy: what `digest doctor` prints."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from digest.app.container import open_store
from digest.app.relays import relay_of
from digest.app.signing import load_key
from digest.app.sourcing import ailing
from digest.collect.troubles import without_password
from digest.compose.environment import templates
from digest.compose.themes import theme_notes
from digest.config.secrets import load_keyring
from digest.config.settings import DkimSettings, Settings, find_config
from digest.deliver.letter import sender_domain
from digest.model.article import SourceLink
from digest.model.errors import DigestError
from digest.smtp.pool import Pool
from digest.store import migrate, publications, sources
from digest.store.engine import Store

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Health(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; ``remedy`` says what to do when it is not well."""

    name: str
    health: Health
    message: str
    remedy: str = ""


def examine(config: Path | None) -> list[Check]:
    """Look at everything; a failing check never keeps the next one from being made, where that makes sense."""
    file = find_config(config)
    with open_store(config) as (settings, store):
        where = str(file) if file else "no file, defaults only"
        checks = [Check("configuration", Health.OK, where)]
        checks.append(_guarded("secret key", lambda: _key(settings)))
        database = _guarded("database", lambda: _database(store))
        checks.append(database)
        checks.append(_guarded("templates", lambda: _templates(settings)))
        checks.append(_base_url(settings))
        checks += _proxies(settings)
        if database.health is Health.OK:
            checks.append(_guarded("clock", lambda: _clock(store)))
            checks += _publications(store)
            checks += _looks(store, settings)
            senders = _senders(store)
        else:
            senders = []
        checks += [_guarded(f"dkim {key.selector}", partial(_dkim, settings, key, senders)) for key in settings.dkim]
        checks += [_guarded(f"relay {name}", partial(_relay, settings, name)) for name in settings.relays]
    return checks


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except DigestError as error:
        return Check(name, Health.FAIL, error.message, error.hint)


def _key(settings: Settings) -> Check:
    path = settings.path(settings.site.secret_key_file)
    load_keyring(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Check("secret key", Health.WARN, f"{path} can be read by others (mode {mode:o})", f"chmod 600 {path}")
    return Check("secret key", Health.OK, str(path))


def _database(store: Store) -> Check:
    migrate.require_current(store)
    with store.write():
        pass  # takes and gives back the write lock: proves we may write
    path = store.sqlite_path
    if path is not None and not os.access(path.parent, os.W_OK):
        return Check(
            "database", Health.FAIL, f"the folder {path.parent} is read-only", "SQLite needs to write beside the file"
        )
    return Check("database", Health.OK, f"{store.url.render_as_string(hide_password=True)} at {migrate.HEAD}")


def _templates(settings: Settings) -> Check:
    folder = settings.path(settings.site.templates)
    env = templates((folder,))
    names = [name for name in env.list_templates() if name.endswith("body.html")]
    for name in names:
        env.get_template(name)
    own = "own folder first: " + str(folder) if folder.is_dir() else "built-in ones"
    return Check("templates", Health.OK, own)


def _base_url(settings: Settings) -> Check:
    parts = urlsplit(settings.site.base_url)
    if parts.hostname in _LOOPBACK:
        return Check(
            "site.base_url",
            Health.WARN,
            f"{settings.site.base_url} works on this machine only",
            "readers need a public https address: set site.base_url",
        )
    if parts.scheme != "https":
        return Check(
            "site.base_url",
            Health.WARN,
            "one-click unsubscribe needs https (RFC 8058)",
            "set site.base_url to https://…",
        )
    return Check("site.base_url", Health.OK, settings.site.base_url)


def _proxies(settings: Settings) -> Iterator[Check]:
    """Somebody else does https for us; unless we know who, every reader seems to come from there."""
    if settings.site.base_url.startswith("https://") and not settings.site.proxies:
        yield Check(
            "site.proxies",
            Health.WARN,
            "the server in front of `digest serve` is not named, so all readers share one limit for sign-ups",
            'set site.proxies, such as ["127.0.0.1"]',
        )


def _clock(store: Store) -> Check:
    with store.read() as tx:
        skew_s = abs((tx.now() - datetime.now(UTC)).total_seconds())
    if skew_s > 5:
        return Check(
            "clock", Health.WARN, f"this machine and the database differ by {skew_s:.0f} s", "run an NTP client on both"
        )
    return Check("clock", Health.OK, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")


def _publications(store: Store) -> Iterator[Check]:
    now = datetime.now(UTC)
    with store.read() as tx:
        known = publications.list_all(tx)
        if not known:
            yield Check("publications", Health.WARN, "none yet", "add one with `digest publication add`")
        for publication in known:
            linked = sources.list_sources(tx, publication.id)
            name = f"publication {publication.slug}"
            if not linked:
                yield Check(name, Health.WARN, "has no sources", f"digest source add {publication.slug} URL")
            else:
                yield _sources(name, publication.slug, linked, now)


def _looks(store: Store, settings: Settings) -> Iterator[Check]:
    """Themes that are used and gone, and colours of theirs that nobody could read; no check where all is well."""
    with store.read() as tx:
        used = sorted({publication.theme for publication in publications.list_all(tx)})
    for theme in used:
        name = f"theme {theme}"
        try:
            notes = theme_notes(templates((settings.path(settings.site.templates),), theme=theme))
        except DigestError as error:
            yield Check(name, Health.FAIL, error.message, error.hint)
            continue
        for note in notes:
            yield Check(name, Health.WARN, note.says, "choose another colour in email/theme.toml")


def _sources(name: str, slug: str, linked: list[SourceLink], now: datetime) -> Check:
    """Failing a little is usual on the web; told are those that somebody must look at, or all when all fail."""
    ill = ailing(linked, now=now)
    total = f"{len(linked)} source{'' if len(linked) == 1 else 's'}"
    if ill:
        link, how = ill[0]
        message = f"{len(ill)} of {total} must be looked at: {without_password(link.source.url)}: {how.words}"
        return Check(name, Health.WARN, message, f"digest source list {slug}")
    failing = [link.source for link in linked if link.source.last_error]
    if failing:
        first = failing[0]
        message = f"{len(failing)} of {total} fail: {without_password(first.url)}: {first.last_error}"
        return Check(name, Health.WARN, message, f"digest source list {slug}")
    return Check(name, Health.OK, total)


def _senders(store: Store) -> list[str]:
    with store.read() as tx:
        return sorted({sender_domain(publication.sender_email) for publication in publications.list_all(tx)})


def _dkim(settings: Settings, chosen: DkimSettings, senders: Sequence[str]) -> Check:
    """The key is read, and the record that must be in the DNS is told; looking it up is not ours to do."""
    key = load_key(settings, chosen)
    name, path = f"dkim {key.selector}", settings.path(chosen.key_file)
    message = f"{key.algorithm}; publish {key.zone_line()}"
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Check(name, Health.WARN, f"{path} can be read by others (mode {mode:o}); {message}", f"chmod 600 {path}")
    if senders and not any(key.aligns_with(domain) for domain in senders):
        return Check(
            name,
            Health.WARN,
            f"no publication is sent from {key.domain} ({', '.join(senders)}); {message}",
            "set dkim.domain to the sender's domain",
        )
    return Check(name, Health.OK, message)


def _relay(settings: Settings, name: str) -> Check:
    relay = relay_of(settings, name)

    async def probe() -> None:
        async with Pool(relay) as pool:
            await pool.check()

    asyncio.run(probe())
    secured = "not encrypted" if relay.tls == "none" else f"encrypted ({relay.tls})"
    health = Health.WARN if relay.tls == "none" and relay.host not in _LOOPBACK else Health.OK
    remedy = f"set relays.{name}.tls to starttls or implicit" if health is Health.WARN else ""
    return Check(f"relay {name}", health, f"{relay.host}:{relay.port} answers, {secured}", remedy)
