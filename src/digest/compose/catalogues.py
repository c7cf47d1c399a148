"""What the mail says in other languages: gettext catalogues ``locale/<language>.po`` beside the templates.

Rules: English is `compose.strings` and complete; a catalogue says the same ids. A region falls back to its language
(``de-AT`` to ``de``), a language to English, id by id. An operator's catalogue need only hold what it changes or
adds. A catalogue is read again when its file changed.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from babel.messages.pofile import PoFileError, read_po

from digest.compose.strings import COUNTED, ENGLISH, Text
from digest.model.errors import TemplateBroken


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One language's texts. ``form`` gives the index of the form for a number."""

    texts: Mapping[str, Text]
    form: Callable[[int], int]


class UnknownString(LookupError):
    """A template asked ``t()`` for an id that is in no catalogue; caught by `compose.render`."""

    def __init__(self, string_id: str) -> None:
        self.string_id = string_id
        super().__init__(f"no text with the id {string_id!r}")


_NAME = re.compile(r"[A-Za-z0-9_]+")
_ENGLISH = Catalogue(ENGLISH, lambda number: 0 if number == 1 else 1)


@dataclass(frozen=True, slots=True)
class Words:
    """What we say in one language: its catalogues, the first that has a text wins, English last."""

    chain: tuple[Catalogue, ...]

    def say(self, string_id: str, values: Mapping[str, object]) -> str:
        """The text of ``string_id``, in the form for its number, its values not yet put in.

        Raises UnknownString; and KeyError when the number is not among ``values``.
        """
        for catalogue in self.chain:
            found = catalogue.texts.get(string_id)
            if isinstance(found, str):
                return found
            if found:
                number = values[COUNTED.get(string_id, "count")]
                return found[catalogue.form(number) if isinstance(number, int) else -1]
        raise UnknownString(string_id)


@dataclass(frozen=True, slots=True)
class Catalogues:
    """The catalogues of some folders of templates, the first of which wins."""

    folders: tuple[Path, ...]

    def words(self, language: str) -> Words:
        """What is said in ``language``, a BCP 47 tag, as the files are now."""
        return Words(tuple(self._chain(language)))

    def translator(self, language: str) -> Callable[..., str]:
        """``t(id, **values)`` in one language."""
        words = self.words(language)

        def t(string_id: str, /, **values: object) -> str:
            return words.say(string_id, values).format_map(values)

        return t

    def languages(self) -> list[str]:
        """The languages that have a catalogue, by tag; English needs none."""
        found = {path.stem for folder in self.folders for path in (folder / "locale").glob("*.po")}
        return sorted(name.replace("_", "-") for name in found)

    def _chain(self, language: str) -> Iterator[Catalogue]:
        tag = language.replace("-", "_")
        names = dict.fromkeys([tag, tag.partition("_")[0]])
        for name in filter(_NAME.fullmatch, names):  # tags of subscribers come from imports: no way to other folders
            for folder in self.folders:
                path = folder / "locale" / f"{name}.po"
                if path.is_file():
                    yield _read(path, path.stat().st_mtime_ns)
        yield _ENGLISH


def catalogues(folders: Sequence[Path]) -> Catalogues:
    """The catalogues in these folders of templates, the first of which wins."""
    return Catalogues(tuple(folders))


@lru_cache(maxsize=64)
def _read(path: Path, _changed_ns: int) -> Catalogue:
    """Read a catalogue; its time of change is part of the key. Raises TemplateBroken for one that is none."""
    try:
        with path.open("rb") as file:
            parsed = read_po(file, abort_invalid=True)
    except (PoFileError, UnicodeDecodeError) as error:
        name = f"locale/{path.name}"
        line = error.lineno + 1 if isinstance(error, PoFileError) and error.lineno is not None else None
        raise TemplateBroken(f"{name}: {error}", hint=f"Correct {path}.", template=name, line=line) from error
    texts: dict[str, Text] = {}
    for message in parsed:
        string_id = message.id if isinstance(message.id, str) else message.id[0]
        if not string_id or message.fuzzy or not message.string:
            continue
        if isinstance(message.string, str):
            texts[string_id] = message.string
        elif all(message.string):
            texts[string_id] = tuple(message.string)
    return Catalogue(texts, gettext.c2py(parsed.plural_expr))
