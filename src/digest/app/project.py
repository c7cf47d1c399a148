"""Making a project folder: configuration, secret key, migrated database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from digest.app import engines
from digest.config import settings as settings_module
from digest.config.example import example
from digest.config.secrets import create_key_file
from digest.config.settings import CONFIG_NAME
from digest.model.errors import AlreadyExists, BadInput
from digest.store.engine import Store


@dataclass(frozen=True, slots=True)
class Project:
    """What `init` made."""

    folder: Path
    config: Path
    key_file: Path
    database: str


def create(folder: Path, chosen: Mapping[str, object]) -> Project:
    """Make a project in ``folder``. Raises AlreadyExists when one is there; a wrong setting leaves nothing behind."""
    config = folder / CONFIG_NAME
    if config.exists():
        raise AlreadyExists(f"there is a project in {folder} already", hint=f"edit {config}, or choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text(example(chosen), encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"cannot write to {folder}: {error.strerror}", hint="choose a folder you may write to"
        ) from error
    try:
        settings = settings_module.load(config)
        key_file = settings.path(settings.site.secret_key_file)
        create_key_file(key_file)
        store = Store(settings.database_url)
        engines.upgrade(store)
        store.close()
    except BaseException:
        config.unlink()  # so that the command can simply be run again
        raise
    return Project(folder, config, key_file, store.url.render_as_string(hide_password=True))
