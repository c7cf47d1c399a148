"""Personal values as slots in rendered text: rendered once per rendition, filled once per recipient.

Rules: the names are a closed set. A marker is U+E000 name U+E001; both code points are private use
(Unicode chapter 23.5), mean nothing in any language, and `text.wording.one_line` and the sanitiser strip them
from everything that comes from outside, so no article can inject a slot. A filled text never holds a marker.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

OPEN = "\ue000"
CLOSE = "\ue001"
SLOTS = frozenset({"email", "signed_up_on", "unsubscribe_url", "confirm_url", "preferences_url", "undo_url"})

_MARKER = re.compile(f"{OPEN}([a-z_]*){CLOSE}")
_LOOSE = re.compile(f"[{OPEN}{CLOSE}]")
# C0, DEL and C1 controls, the line and paragraph separators, and our own marks: none belongs in an address,
# a date or a URL, and each could start a new line or a new slot.
_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{OPEN}{CLOSE}]")
# Spelled as Jinja's own escaping spells them, so that filling equals rendering byte for byte.
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})


def marker(name: str) -> str:
    """The text that stands for slot ``name`` in a rendition. Raises ValueError for a name outside `SLOTS`."""
    if name not in SLOTS:
        raise ValueError(f"unknown slot {name!r}; the slots are {', '.join(sorted(SLOTS))}")
    return f"{OPEN}{name}{CLOSE}"


def slots_in(text: str) -> frozenset[str]:
    """The names of the slots that ``text`` asks for. Raises ValueError for an unknown one."""
    names = frozenset(_MARKER.findall(text))
    if unknown := names - SLOTS:
        raise ValueError(f"unknown slot {min(unknown)!r}; the slots are {', '.join(sorted(SLOTS))}")
    return names


def fill_html(text: str, values: Mapping[str, str]) -> str:
    """``text`` with each slot replaced by its value, control characters stripped, escaped for text and attributes.

    Raises ValueError for an unknown slot, a slot without a value, or half a marker.
    """
    return _fill(text, {name: _clean(value).translate(_HTML) for name, value in values.items()})


def fill_text(text: str, values: Mapping[str, str]) -> str:
    """``text`` with each slot replaced by its value, control characters (line ends too) stripped.

    Raises ValueError for an unknown slot, a slot without a value, or half a marker.
    """
    return _fill(text, {name: _clean(value) for name, value in values.items()})


def _clean(value: str) -> str:
    return _FORBIDDEN.sub("", value)


def _fill(text: str, values: Mapping[str, str]) -> str:
    missing = slots_in(text) - values.keys()
    if missing:
        raise ValueError(f"no value for slot {min(missing)!r}")
    filled = _MARKER.sub(lambda match: values[match[1]], text)
    if _LOOSE.search(filled):
        raise ValueError("half a slot marker in the text")
    return filled
