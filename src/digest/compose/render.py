"""The one function that turns a context into a mail: preview, sending and the web view all call `render`.

Rules: subject and text come from their own templates, never from the HTML. CSS is inlined here. Whatever a
template does wrong becomes one TemplateBroken that names template and line; nothing is sent half rendered.
The result still holds the markers of `text.slots`. Same input, same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from css_inline import CSSInliner, InlineError
from jinja2 import Environment

from digest.compose.blame import BLAMABLE, blame
from digest.compose.context import DigestContext
from digest.compose.environment import speaking, theme
from digest.compose.kinds import slots_of
from digest.model.errors import TemplateBroken
from digest.text import slots
from digest.text.wording import one_line

_INLINER = CSSInliner(
    load_remote_stylesheets=False,  # rendering never touches the network
    resolve_css_variables=True,  # Gmail, Outlook and Yahoo know no var()
    minify_css=True,
)
_BLANK_RUN = re.compile(r"\n{3,}")
_LINE_END_SPACE = re.compile(r"[ \t]+$", re.MULTILINE)
_INDENT = re.compile(r"\n\s*")


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendition's three texts, with slots. ``html`` is a whole document; ``text`` ends with a newline."""

    subject: str
    html: str
    text: str


def render(context: DigestContext, *, env: Environment, template: str | None = None) -> Rendered:
    """Render ``context`` with the templates of folder ``email/<template>``; left out, of its kind.

    Raises TemplateBroken with template name, line and a hint for any fault in a template or in the theme.
    """
    values = _values(context, env)
    template = template or context.kind.value
    subject = one_line(_fill(env, f"email/{template}/subject.txt", values))
    if not subject:
        name = f"email/{template}/subject.txt"
        raise TemplateBroken(f"{name} gives an empty subject", hint="Write {{ subject }} in it.", template=name, line=1)
    text = _fill(env, f"email/{template}/body.txt", values)
    html = _fill(env, f"email/{template}/body.html", values)
    return Rendered(subject=subject, html=_inline(html), text=_tidy(text))


def draft(context: DigestContext, *, env: Environment, template: str | None = None) -> str:
    """The HTML as the templates wrote it, before anything is inlined or mended: what the checks of structure read."""
    return _fill(env, f"email/{template or context.kind.value}/body.html", _values(context, env))


def _values(context: DigestContext, env: Environment) -> dict[str, object]:
    values = {field.name: getattr(context, field.name) for field in fields(context)}
    return values | {"theme": theme(env), "slots": _slots(context), "t": speaking(env, context.lang)}


def _slots(context: DigestContext) -> dict[str, str]:
    """Name and marker of what the mail may say of its reader."""
    if not context.personal:
        return {}
    return {name: slots.marker(name) for name in sorted(slots_of(context.kind, preferences=context.links.preferences))}


def _fill(env: Environment, name: str, values: dict[str, object]) -> str:
    try:
        return env.get_template(name).render(values)
    except BLAMABLE as error:
        raise blame(error, env=env, name=name, values=values) from error


def _inline(html: str) -> str:
    """The page with its style sheet inlined and its source indentation gone (a fifth of the bytes)."""
    try:
        return _INLINER.inline(_INDENT.sub("\n", html)) + "\n"
    except InlineError as error:
        raise TemplateBroken(
            f"email/theme.css: {error}", hint="Correct the style sheet.", template="email/theme.css"
        ) from error


def _tidy(text: str) -> str:
    text = _BLANK_RUN.sub("\n\n", _LINE_END_SPACE.sub("", text))
    return text.strip("\n") + "\n"
