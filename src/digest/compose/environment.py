"""Where templates come from and what they may do: the one Jinja environment of mails and pages.

Rules: operators' folders come before our own, so a template is replaced by putting a file of the same name
into one's own folder, never by editing ours. Sandboxed, every undefined name is an error, HTML is escaped by
the template's name. Names are relative to a ``templates`` folder: ``email/digest/body.html``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, pass_context, pass_eval_context, select_autoescape
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from digest.compose.catalogues import Catalogues, Words, catalogues
from digest.compose.context import SHAPES
from digest.compose.folders import DEFAULT_THEME, layers, layers_of, package_templates
from digest.compose.sourcemap import SourceMap
from digest.compose.themes import theme
from digest.text.wording import display_width, soften, wrap

__all__ = ["speaking", "templates", "theme", "words_of"]

_FIELDS = {shape: frozenset(field.name for field in fields(shape)) for shape in SHAPES}


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with a short way to the fields of the data contract: most of what a template asks for."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """The attribute of an object, as the sandbox allows it."""
        if attribute in _FIELDS.get(type(obj), ()):
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)


def templates(
    search_path: Sequence[Path] = (), *, theme: str = DEFAULT_THEME, locale: str = "en", source_map: bool = False
) -> Environment:
    """The environment over the operator's folders in ``search_path`` (first wins), then our own templates.

    ``locale`` is the language of templates that are given no ``lang``. With ``source_map`` tags say where they were
    written (`compose.sourcemap`). Templates are read again when their file changed, which is what the preview lives
    on. Raises NotFound for a theme that is in no folder.
    """
    env = Sandbox(
        loader=layers(search_path, theme),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=True,
        extensions=[SourceMap] if source_map else [],
    )
    env.globals["t"] = _translating(catalogues([*search_path, package_templates()]), locale)
    env.filters["soft"] = _soft
    env.filters["wrap"] = wrap
    env.filters["columns"] = display_width
    return env


def words_of(env: Environment) -> Catalogues:
    """What we say ourselves, in the languages of the environment's folders."""
    return catalogues([layer.root for layer in layers_of(env).layers if not layer.prefix])


def speaking(env: Environment, language: str) -> Callable[..., str]:
    """``t(id, **values)`` for one rendering in ``language``: escaped where the template is HTML."""
    words = words_of(env).words(language)

    @pass_eval_context
    def t(context: EvalContext, string_id: str, /, **values: object) -> str:
        return _said(words, string_id, values, is_html=bool(context.autoescape))

    return t


def _translating(catalogues: Catalogues, locale: str) -> Callable[..., str]:
    """``t`` for templates that `compose.render` does not fill: in the language they are given, or in ``locale``."""

    @pass_context
    def t(context: Context, string_id: str, /, **values: object) -> str:
        words = catalogues.words(context.get("lang") or locale)
        return _said(words, string_id, values, is_html=bool(context.eval_ctx.autoescape))

    return t


def _said(words: Words, string_id: str, values: Mapping[str, object], *, is_html: bool) -> str:
    text = words.say(string_id, values)
    if not is_html:
        return text.format_map(values)
    return Markup(escape(text)).format_map(values)  # noqa: S704 - escaped right here; format escapes values


@pass_eval_context
def _soft(context: EvalContext, text: str) -> str:
    """`soften` inside a template, before escaping: a break may not land inside ``&amp;``."""
    if isinstance(text, Markup):
        return text
    softened = soften(str(text))
    return escape(softened) if context.autoescape else softened
