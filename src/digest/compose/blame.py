"""Whose fault a rendering error is: template name, line, and a guess at what was meant.

Rules: Jinja rewrites tracebacks so that their frames carry the template's file and line; the last such frame
is where the fault is, inside macros and includes too. An error without one is not the template's and is
raised on as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from traceback import walk_tb

from jinja2 import Environment, FileSystemLoader, TemplateError, TemplateNotFound, TemplateSyntaxError

from digest.compose import context as contract
from digest.compose.environment import UnknownString
from digest.compose.strings import ENGLISH
from digest.model.errors import TemplateBroken
from digest.text.slots import SLOTS

# Besides Jinja's own errors: what an expression like `story.title + 1` or `t("x")` without its values raises.
BLAMABLE = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, UnicodeError)

_ATTRIBUTE = re.compile(r"has no attribute '(\w+)'")
_UNDEFINED = re.compile(r"'(\w+)' is undefined")
_FILTER = re.compile(r"No (filter|test) named '(\w+)'")
_SHAPES = (
    contract.DigestContext,
    contract.PublicationFacts,
    contract.IssueFacts,
    contract.Story,
    contract.Section,
    contract.Brief,
    contract.Image,
    contract.Copy,
)


def blame(error: Exception, *, env: Environment, name: str, values: Mapping[str, object]) -> TemplateBroken:
    """The error to raise instead of ``error``, which came while rendering ``name`` with ``values``.

    Raises ``error`` again when no template had a part in it.
    """
    if isinstance(error, TemplateNotFound):
        near = _meant(str(error.name), env.list_templates())
        return TemplateBroken(f"{name}: there is no template {error.name}", hint=near or "Check the template's name.")
    if isinstance(error, TemplateSyntaxError):
        place = f"{error.name or name}, line {error.lineno}"
    else:
        found = _last_template_frame(error, env)
        if found is None:
            raise error
        place = f"{found[0]}, line {found[1]}"
    message = f"no value for {error}" if type(error) is KeyError else str(error)
    return TemplateBroken(f"{place}: {message}", hint=_hint(error, env, values))


def _last_template_frame(error: Exception, env: Environment) -> tuple[str, int] | None:
    assert isinstance(env.loader, FileSystemLoader)  # noqa: S101 - `environment.templates` made it
    roots = [Path(folder) for folder in env.loader.searchpath]
    found = None
    for frame, line in walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        for root in roots:
            if path.is_relative_to(root):
                found = path.relative_to(root).as_posix(), line
                break
    return found


def _hint(error: Exception, env: Environment, values: Mapping[str, object]) -> str:
    message = str(error)
    if isinstance(error, UnknownString):
        return _meant(error.string_id, ENGLISH)
    if attribute := _ATTRIBUTE.search(message):
        return _meant(attribute[1], [*SLOTS, *(field.name for shape in _SHAPES for field in fields(shape))])
    if name := _UNDEFINED.search(message):
        return _meant(name[1], [*values, *env.globals])
    if kind := _FILTER.search(message):
        return _meant(kind[2], env.filters if kind[1] == "filter" else env.tests)
    return "Correct the template; what it may use is described in digest.compose.context."


def _meant(word: str, known: Iterable[str]) -> str:
    names = sorted(set(known))
    if close := get_close_matches(word, names, n=1):
        return f"Did you mean {close[0]!r}?"
    return f"Known are {', '.join(names)}." if len(names) <= 20 else ""
