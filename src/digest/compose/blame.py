"""Whose fault a rendering error is: template name, line, and a guess at what was meant.

Rules: Jinja rewrites tracebacks so that their frames carry the template's file and line; the last such frame
is where the fault is, inside macros and includes too. An error without one is not the template's and is
raised on as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from traceback import walk_tb

from jinja2 import Environment, TemplateError, TemplateNotFound, TemplateSyntaxError

from digest.compose.catalogues import UnknownString
from digest.compose.context import SHAPES
from digest.compose.folders import layers_of
from digest.compose.strings import ENGLISH
from digest.model.errors import TemplateBroken

# Besides Jinja's own errors: what an expression like `story.title + 1` or `t("x")` without its values raises.
BLAMABLE = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, UnicodeError)

_ATTRIBUTE = re.compile(r"has no attribute '(\w+)'")
_UNDEFINED = re.compile(r"'(\w+)' is undefined")
_FILTER = re.compile(r"No (filter|test) named '(\w+)'")
_NOT_GIVEN = re.compile(r"parameter '\w+' was not provided")
_UNCLOSED = re.compile(r"innermost block that needs to be closed is '(\w+)'")
_UNKNOWN_TAG = re.compile(r"unknown tag '(\w+)'")
_OF_IMPORT = re.compile(r"TemplateModule object' has no attribute '(\w+)'|does not export the requested name '(\w+)'")
_OF_CONTRACT = re.compile(r"'digest\.compose\.context\.(\w+) object' has no attribute '(\w+)'")
_IMPORTED = re.compile(r"\{%-?\s*(?:import|from)\s+[\"']([^\"']+)[\"']")
_MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)")
_BLOCKS = frozenset({"if", "for", "block", "macro", "call", "filter", "with", "autoescape", "set"})
_FEW = 20


def blame(error: Exception, *, env: Environment, name: str, values: Mapping[str, object]) -> TemplateBroken:
    """The error to raise instead of ``error``, which came while rendering ``name`` with ``values``.

    Raises ``error`` again when no template had a part in it.
    """
    chain = _template_frames(error, env)
    if isinstance(error, TemplateNotFound):
        meant = _nearest(str(error.name), env.list_templates())
        asked_by, line = chain[-1] if chain else (name, None)
        place = f"{asked_by}, line {line}" if line else name
        message = f"{place}: there is no template {error.name}"
        hint = _hint_of(meant) or "Check the template's name."
        return TemplateBroken(message, hint=hint, template=asked_by, line=line, meant=meant, chain=chain)
    if isinstance(error, TemplateSyntaxError):
        template = error.name or name
        line = opening_line(error, env, template) or error.lineno
        chain = (*chain, (template, line)) if (template, line) not in chain else chain
    elif chain:
        # A macro that was not given what it needs is called wrongly, not written wrongly.
        template, line = chain[-2] if len(chain) > 1 and _NOT_GIVEN.search(str(error)) else chain[-1]
    else:
        raise error
    message = f"no value for {error}" if type(error) is KeyError else _plainly(str(error))
    word, known = _words(error, env, values, template)
    meant = _nearest(word, known) if word else None
    return TemplateBroken(
        f"{template}, line {line}: {message}",
        hint=_hint_of(meant) or _all_of(known) or "What a template may use is in docs/templates/contract.md.",
        template=template,
        line=line,
        meant=meant,
        chain=chain,
    )


def _template_frames(error: Exception, env: Environment) -> tuple[tuple[str, int], ...]:
    """The places in templates that the error came through, outermost first."""
    folders = layers_of(env)
    found: list[tuple[str, int]] = []
    for frame, line in walk_tb(error.__traceback__):
        name = folders.name_of(Path(frame.f_code.co_filename))
        if name is not None and (name, line) not in found[-1:]:
            found.append((name, line))
    return tuple(found)


def _plainly(message: str) -> str:
    """Python's words about objects as whoever writes templates would say them."""
    if of_import := _OF_IMPORT.search(message):
        return f"there is no macro {of_import[1] or of_import[2]!r} in what is imported here"
    return _OF_CONTRACT.sub(r"\1 has no field '\2'", message)


def opening_line(error: TemplateSyntaxError, env: Environment, template: str) -> int | None:
    """The line that opens the block which an error says was never closed; None when it says no such thing.

    Jinja names the line on which it noticed, which may be the end of the file.
    """
    message = error.message or ""
    unclosed, met = _UNCLOSED.search(message), _UNKNOWN_TAG.search(message)
    if unclosed is None or (met and not met[1].startswith("end")):
        return None
    opened: list[tuple[str, int]] = []
    for word, line, is_short in _block_tags(env, template):
        if word.startswith("end") and opened[-1:] and opened[-1][0] == word.removeprefix("end"):
            opened.pop()
        elif word.startswith("end"):
            break
        elif word in _BLOCKS and not is_short:
            opened.append((word, line))
    if met and met[1].removeprefix("end") not in [word for word, _ in opened]:
        return None  # an end that nothing opened: the fault is where it stands
    return next((line for word, line in reversed(opened) if word == unclosed[1]), None)


def _block_tags(env: Environment, template: str) -> Iterator[tuple[str, int, bool]]:
    """First word and line of each ``{% … %}``, and whether it is a ``set`` that needs no end."""
    source = layers_of(env).get_source(env, template)[0]
    word, at, is_short = "", 0, False
    for line, kind, value in env.lex(source):
        if kind == "block_begin":
            word, at, is_short = "", line, False
        elif kind == "name" and not word:
            word = value
        elif kind == "operator" and value == "=" and word == "set":
            is_short = True
        elif kind == "block_end":
            yield word, at, is_short


def _macros_of(env: Environment, template: str) -> list[str]:
    """The macros of the templates that ``template`` imports."""
    folders = layers_of(env)
    imported = _IMPORTED.findall(folders.get_source(env, template)[0])
    paths = [path for name in imported if (path := folders.path_of(name))]
    return [macro for path in paths for macro in _MACRO.findall(path.read_text(encoding="utf-8"))]


def _words(
    error: Exception, env: Environment, values: Mapping[str, object], template: str
) -> tuple[str, Iterable[str]]:
    """The word that is not known, and the words that are in its place; ``""`` when the fault is no word."""
    message = str(error)
    if of_import := _OF_IMPORT.search(message):
        return of_import[1] or of_import[2], _macros_of(env, template)
    if isinstance(error, UnknownString):
        return error.string_id, ENGLISH
    if attribute := _ATTRIBUTE.search(message):
        slots = values.get("slots")
        of_slots = slots if isinstance(slots, Mapping) else ()
        return attribute[1], [*of_slots, *(field.name for shape in SHAPES for field in fields(shape))]
    if name := _UNDEFINED.search(message):
        return name[1], [*values, *env.globals]
    if kind := _FILTER.search(message):
        return kind[2], env.filters if kind[1] == "filter" else env.tests
    return "", ()


def _nearest(word: str, known: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(word, sorted(set(known)), n=1)), None)


def _hint_of(meant: str | None) -> str:
    return f"Did you mean {meant!r}?" if meant else ""


def _all_of(known: Iterable[str]) -> str:
    names = sorted(set(known))
    return f"Known are {', '.join(names)}." if 0 < len(names) <= _FEW else ""
