"""Faults planted into templates, one line each, and the mails that come of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from digest.compose.environment import templates
from digest.compose.fixtures import load_fixture
from digest.compose.folders import layers, package_templates
from digest.compose.kinds import MailKind
from digest.workshop.mail import Mail, lay_out

BODY = "email/digest/body.html"
TEXT = "email/digest/body.txt"
LAYOUT = "email/layout.html"
SHEET = "email/theme.css"


@dataclass(frozen=True, slots=True)
class Own:
    """An operator's own templates in ``folder``, made of the built-in ones with lines put in or taken out."""

    folder: Path
    planted: dict[str, int] = field(default_factory=dict)

    def source(self, name: str) -> str:
        """The template as it is now."""
        path = layers([self.folder], "meridian").path_of(name)
        assert path is not None, name
        return path.read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        """Put a template of one's own."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def plant(self, name: str, words: str, *, behind: str) -> int:
        """Put ``words`` on a line of its own behind the first line that holds ``behind``; gives its line."""
        lines = self.source(name).splitlines()
        at = next(number for number, line in enumerate(lines, start=1) if behind in line)
        lines.insert(at, words)
        self.write(name, "\n".join(lines) + "\n")
        self.planted[name] = at + 1
        return at + 1

    def replace(self, name: str, old: str, new: str) -> int:
        """Put ``new`` for the first ``old``; gives its line."""
        text = self.source(name)
        assert old in text, f"{name} has no {old!r}"
        self.write(name, text.replace(old, new, 1))
        return text.count("\n", 0, text.index(old)) + 1

    def mail(self, fixture: str = "default", *, kind: MailKind = MailKind.DIGEST, personal: bool = True) -> Mail:
        """The mail these templates make."""
        context = load_fixture(fixture, kind=kind, search_path=[self.folder], personal=personal)
        return lay_out(
            context,
            env=templates([self.folder]),
            mapped_env=templates([self.folder], source_map=True),
            fixture=fixture,
        )


def shipped(fixture: str, *, kind: MailKind = MailKind.DIGEST, theme: str = "meridian") -> Mail:
    """A mail of the built-in templates."""
    context = load_fixture(fixture, kind=kind)
    env, mapped = templates(theme=theme), templates(theme=theme, source_map=True)
    return lay_out(context, env=env, mapped_env=mapped, fixture=fixture)


def built_in(name: str) -> str:
    """The text of a built-in template."""
    return (package_templates() / name).read_text(encoding="utf-8")
