"""Where templates come from and what they may do: the one Jinja environment of mails and pages.

Rules: operators' folders come before our own, so a template is replaced by putting a file of the same name
into one's own folder, never by editing ours. Sandboxed, every undefined name is an error, HTML is escaped by
the template's name. Names are relative to a ``templates`` folder: ``email/digest/body.html``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_eval_context, select_autoescape
from jinja2.nodes import EvalContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from digest.compose.strings import ENGLISH, translator
from digest.model.errors import TemplateBroken
from digest.text.wording import display_width, soften, wrap

THEME = "email/theme.toml"
# What may stand in a CSS value: nothing that could end the declaration, the block or the style element.
_CSS_VALUE = re.compile(r"[^{}<>;\\\x00-\x1f]+")
_CSS_NAME = re.compile(r"[a-z][a-z0-9-]*")


def package_templates() -> Path:
    """The folder of our own templates: inside an installed wheel, else beside ``src`` in a checkout."""
    package = Path(str(resources.files("digest")))
    installed = package / "_templates"
    return installed if installed.is_dir() else package.parents[1] / "templates"


def templates(search_path: Sequence[Path] = ()) -> Environment:
    """The environment over the operator's folders in ``search_path`` (first wins), then our own templates.

    Templates are read again when their file changed, which is what the preview lives on.
    """
    env = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader([*search_path, package_templates()]),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=True,
    )
    env.globals["t"] = _translate
    env.filters["soft"] = _soft
    env.filters["wrap"] = wrap
    env.filters["columns"] = display_width
    return env


def theme(env: Environment) -> Mapping[str, Mapping[str, str]]:
    """Colours and fonts: our ``email/theme.toml`` with each operator's one laid over it, table by table.

    An operator's file need only name what it changes. Raises TemplateBroken for one that is no TOML or holds
    something that is no CSS value.
    """
    assert isinstance(env.loader, FileSystemLoader)  # noqa: S101 - `templates` made it
    merged: dict[str, dict[str, str]] = {}
    for folder in reversed(env.loader.searchpath):
        path = Path(folder) / THEME
        if path.is_file():
            for table, values in _read_theme(path).items():
                merged.setdefault(table, {}).update(values)
    return merged


def _read_theme(path: Path) -> dict[str, dict[str, str]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TemplateBroken(f"{THEME}: {error}", hint=f"Correct {path}.") from error
    for table, values in tables.items():
        for name, value in values.items() if isinstance(values, dict) else [(table, values)]:
            if not (isinstance(value, str) and _CSS_VALUE.fullmatch(value) and _CSS_NAME.fullmatch(name)):
                raise TemplateBroken(
                    f"{THEME}: {table}.{name} = {value!r} is no CSS value",
                    hint=f'Write it as text, for example {name} = "#a8321f", in a table of {path}.',
                )
    return tables


@pass_eval_context
def _translate(context: EvalContext, string_id: str, /, **values: object) -> str:
    if string_id not in ENGLISH:
        raise UnknownString(string_id)
    if not context.autoescape:
        return translator()(string_id, **values)
    return Markup(escape(ENGLISH[string_id])).format_map(values)  # noqa: S704 - escaped right here; format escapes values


@pass_eval_context
def _soft(context: EvalContext, text: str) -> str:
    """`soften` inside a template, before escaping: a break may not land inside ``&amp;``."""
    softened = soften(str(text))
    return escape(softened) if context.autoescape else softened


class UnknownString(LookupError):
    """A template asked ``t()`` for an id that is in no catalogue; caught by `compose.render`."""

    def __init__(self, string_id: str) -> None:
        self.string_id = string_id
        super().__init__(f"no text with the id {string_id!r}")
