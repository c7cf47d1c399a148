"""Folders of templates laid over each other: operators' own before ours, a theme's before the one it changes.

Rules: names are relative to a ``templates`` folder and mean the first file found. A theme is a folder
``email/themes/<name>`` whose files stand for those of ``email``; it holds only what it changes. A file put before
another one is seen at the next rendering, like a changed one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import BaseLoader, Environment, TemplateNotFound
from jinja2.loaders import split_template_path

from digest.model.errors import NotFound

DEFAULT_THEME = "meridian"
_THEMES = Path("email") / "themes"
_THEME_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Layer:
    """One folder. ``prefix`` is what the names of its files begin with: ``""``, or ``email/`` for a theme's."""

    root: Path
    prefix: str = ""

    def path_of(self, name: str) -> Path | None:
        """The file of template ``name`` in this folder, None when there is none."""
        if not name.startswith(self.prefix):
            return None
        path = self.root / name.removeprefix(self.prefix)
        return path if path.is_file() else None

    def name_of(self, path: Path) -> str | None:
        """What a file of this folder is called, None for a file that is not in it."""
        return self.prefix + path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else None

    def names(self) -> Iterator[str]:
        """The names of all files in it."""
        for path in self.root.rglob("*"):
            if path.is_file():
                yield self.prefix + path.relative_to(self.root).as_posix()


class Layers(BaseLoader):
    """Jinja's way to the files of several folders; the first that has a name wins."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)

    def path_of(self, name: str) -> Path | None:
        """The file that template ``name`` is read from, None when no folder has it."""
        try:
            name = "/".join(split_template_path(name))
        except TemplateNotFound:  # it would leave its folder
            return None
        return next((path for layer in self.layers if (path := layer.path_of(name))), None)

    def paths_of(self, name: str) -> list[Path]:
        """The file of ``name`` in each folder that has one, the one that wins first."""
        return [path for layer in self.layers if (path := layer.path_of(name))]

    def name_of(self, path: Path) -> str | None:
        """The template that ``path`` is a file of, None for a file of no folder."""
        return next((name for layer in self.layers if (name := layer.name_of(path))), None)

    def get_source(
        self,
        environment: Environment,  # noqa: ARG002 - Jinja's
        template: str,
    ) -> tuple[str, str, Callable[[], bool]]:
        """The text of a template, its path, and whether both are still so. Raises TemplateNotFound."""
        path = self.path_of(template)
        if path is None:
            raise TemplateNotFound(template)
        text, changed_ns = path.read_text(encoding="utf-8"), path.stat().st_mtime_ns

        def is_current() -> bool:
            now = self.path_of(template)
            return now == path and path.stat().st_mtime_ns == changed_ns

        return text, str(path), is_current

    def list_templates(self) -> list[str]:
        """The names in all folders, sorted."""
        return sorted({name for layer in self.layers for name in layer.names()})


def package_templates() -> Path:
    """The folder of our own templates: inside an installed wheel, else beside ``src`` in a checkout."""
    package = Path(str(resources.files("digest")))
    installed = package / "_templates"
    return installed if installed.is_dir() else package.parents[1] / "templates"


def theme_names(search_path: Sequence[Path] = ()) -> list[str]:
    """The themes there are: ours, and each folder in ``email/themes`` of an operator's own."""
    folders = [root / _THEMES for root in (*search_path, package_templates())]
    found = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()}
    return sorted({DEFAULT_THEME, *filter(_THEME_NAME.fullmatch, found)})


def layers(search_path: Sequence[Path], theme: str) -> Layers:
    """The folders of ``theme``: each operator's, its own theme first, then ours. Raises NotFound for another theme."""
    known = theme_names(search_path)
    if theme not in known:
        raise NotFound(f"there is no theme {theme!r}", hint=f"Themes are {', '.join(known)}.")
    found = []
    for root in (*search_path, package_templates()):
        found += [Layer(root / _THEMES / theme, "email/"), Layer(root)]
    return Layers([layer for layer in found if not layer.prefix or layer.root.is_dir()])


def layers_of(env: Environment) -> Layers:
    """The folders that an environment of `compose.environment` reads from."""
    assert isinstance(env.loader, Layers)  # noqa: S101 - `environment.templates` made it
    return env.loader
