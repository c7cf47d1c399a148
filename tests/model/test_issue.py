"""What distinguishes one rendition from another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from digest.model.article import SourceKind
from digest.model.issue import RenditionKey

slugs = st.sampled_from(["a", "b", "a-b", "ab", "city"])
keys = st.builds(
    RenditionKey,
    st.lists(slugs, max_size=3, unique=True).map(lambda chosen: tuple(sorted(chosen))),
    st.sampled_from(["en", "de", "pt-BR"]),
    st.sampled_from(["html", "text", "web"]),
)


@given(keys, keys)
def test_two_keys_have_the_same_text_only_when_they_are_equal(one: RenditionKey, other: RenditionKey):
    assert (one.text() == other.text()) == (one == other)


def test_files_and_folders_are_local_and_feeds_are_not():
    assert {kind for kind in SourceKind if kind.is_local} == {SourceKind.FILE, SourceKind.FOLDER}
