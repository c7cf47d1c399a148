"""Texts with slots anywhere, and values for them, for property tests: what breaks encoders is more likely than not."""

from __future__ import annotations

from hypothesis import strategies as st

from digest.compose.kinds import MailKind, slots_of
from digest.text.slots import CLOSE, OPEN, marker

NAMES = tuple(sorted(slots_of(MailKind.DIGEST, preferences=True)))
ODD = st.sampled_from(
    [" ", "  ", ".", "..", "=", "=3D", "\n", "\r\n", "\r", "\t", "From ", "é", "日本", "<&'\">", "x" * 80]
)
_LETTERS = st.characters(exclude_characters=OPEN + CLOSE)
#: A text; between any two pieces of it a slot may stand.
SLOTTED = st.lists(
    st.one_of(ODD, st.text(_LETTERS, max_size=90), st.sampled_from([marker(name) for name in NAMES])), max_size=25
).map("".join)
#: A value for a slot, worse than any real one.
VALUE = st.lists(st.one_of(ODD, st.text(max_size=90)), max_size=8).map("".join)
