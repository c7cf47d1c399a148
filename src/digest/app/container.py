"""Hand wiring: settings, store and keys of this installation, opened once and passed down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from digest.app.counts import Counts
from digest.config import settings as settings_module
from digest.config.logging import configure
from digest.config.secrets import Keyring, load_keyring
from digest.config.settings import Settings
from digest.store import migrate
from digest.store.engine import Store


@dataclass(frozen=True, slots=True)
class Container:
    """What every stage may need; functions take the parts they use, not this. ``counts`` are this process's own."""

    settings: Settings
    store: Store
    keyring: Keyring
    counts: Counts = field(default_factory=Counts, repr=False, compare=False)

    @property
    def template_path(self) -> tuple[Path, ...]:
        """Folders of the operator's own templates, first wins; the built-in ones come after."""
        return (self.settings.path(self.settings.site.templates),)


@contextmanager
def open_store(config: Path | None) -> Iterator[tuple[Settings, Store]]:
    """Settings and an unchecked store: for `init`, `db` and `doctor`, which mend what is wrong."""
    settings = settings_module.load(config)
    configure(settings.logging)
    store = Store(settings.database_url)
    try:
        yield settings, store
    finally:
        store.close()


@contextmanager
def open_container(config: Path | None) -> Iterator[Container]:
    """Everything, checked: configuration valid, schema current, keys readable. Raises DigestError otherwise."""
    with open_store(config) as (settings, store):
        migrate.require_current(store)
        yield Container(settings, store, load_keyring(settings.path(settings.site.secret_key_file)))
