from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.compose.fixtures import (
    PICTURES,
    FixtureInvalid,
    fixture_names,
    load_fixture,
    merge_patch,
    parse_context,
    to_fixture,
)
from digest.compose.kinds import MailKind
from digest.model.errors import NotFound

DIGESTS = [
    *("default", "all-topics", "broken-images", "cjk", "dark-photos", "emoji", "empty", "forty", "hostile"),
    *("long-titles", "markup-in-titles", "missing-optional", "mixed-images", "no-images", "one", "rtl"),
]
PLAIN: dict[str, Any] = {
    "lang": "en",
    "dir": "ltr",
    "subject": "S",
    "preheader": "",
    "publication": {"name": "N", "sender_name": "S", "postal_address": "A", "home_url": "https://example.com"},
    "lead": {"title": "T", "url": "https://example.com/1", "image": {"src": "picture:dusk", "alt": ""}},
}


def project(folder: Path, name: str, content: object) -> Path:
    path = folder / "email" / "fixtures" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


def test_there_is_a_fixture_for_each_edge_case_and_a_default_of_each_kind():
    assert fixture_names(MailKind.DIGEST) == DIGESTS
    assert all(fixture_names(kind)[0] == "default" for kind in MailKind)


@pytest.mark.parametrize("kind", MailKind)
def test_a_fixture_is_of_its_kind_and_the_same_when_it_is_written_out_and_read_again(kind: MailKind):
    for name in fixture_names(kind):
        context = load_fixture(name, kind=kind)

        assert context.kind is kind
        assert parse_context(json.loads(json.dumps(to_fixture(context)))) == context, name
        assert (context.notice is not None) == kind.is_notice


def test_fixtures_are_what_their_names_say():
    counts = {name: len([s for x in load_fixture(name).sections for s in x.stories]) for name in DIGESTS}
    hostile = str(to_fixture(load_fixture("hostile")))

    assert (counts["empty"], counts["one"], counts["forty"]) == (0, 0, 39)
    assert load_fixture("empty").lead is None
    assert load_fixture("rtl").dir == "rtl"
    assert "javascript:" not in hostile
    assert not set("\ue000\ue001\u202e\u2028\x85\x92\x00") & set(hostile)


def test_pictures_are_where_they_are_said_to_be():
    assert load_fixture().lead.image.src == f"{PICTURES}/dusk-harbour.png"
    assert load_fixture(pictures="/pictures").lead.image.src == "/pictures/dusk-harbour.png"


def test_a_projects_own_fixture_extends_ours_and_stands_before_one_of_the_same_name(tmp_path: Path):
    project(tmp_path, "storm", {"extends": "default", "subject": "Storm", "patch": {"lead": {"image": None}}})
    project(tmp_path, "one", {"extends": "storm", "patch": {"sections": None}})

    assert "storm" in fixture_names(MailKind.DIGEST, search_path=[tmp_path])
    storm, one = (load_fixture(name, search_path=[tmp_path]) for name in ("storm", "one"))
    assert (storm.subject, storm.lead.image, storm.lead.title) == ("Storm", None, load_fixture().lead.title)
    assert (one.subject, one.sections) == ("Storm", ())


def test_a_patch_changes_one_field_and_the_web_page_is_nobodys():
    assert load_fixture(patch={"issue": {"number": 7}}).issue == replace(load_fixture().issue, number=7)
    assert not load_fixture(personal=False).personal


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"lead": {"image": {"alt": 3}}}, "lead.image.alt: expected text"),
        ({"lead": {"titel": "x"}}, "lead.titel: there is no such field"),
        ({"lead": {"title": ""}}, "lead.title: must not be empty"),
        ({"lead": {"minutes": "4"}}, "lead.minutes: expected a whole number"),
        ({"lead": {"minutes": True}}, "lead.minutes: expected a whole number"),
        ({"sections": [{"title": "W", "stories": [{"title": "x"}]}]}, "sections[0].stories[0].url: is missing"),
        ({"sections": {}}, "sections: expected a list"),
        ({"briefs": ["x"]}, "briefs[0]: expected an object"),
        ({"kind": "letter"}, "kind: expected one of digest"),
        ({"personal": "yes"}, "personal: expected true or false"),
        ({"publication": None}, "publication: is missing"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(patch: dict[str, Any], says: str):
    with pytest.raises(FixtureInvalid) as caught:
        load_fixture(patch=patch)

    assert caught.value.message.startswith(f"fixture default: {says}")


def test_an_unknown_field_comes_with_a_guess():
    with pytest.raises(FixtureInvalid) as caught:
        parse_context({**PLAIN, "subjekt": "x"})

    assert caught.value.hint == "Did you mean 'subject'?"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "fixture own: Expecting property name"),
        ([], "fixture own: expected an object"),
        ({"extends": "own"}, "fixture own extends itself"),
        ({"extends": 3}, "fixture own: extends: expected text"),
        ({"extends": "letter/default"}, "fixture own: extends: there is no kind 'letter'"),
    ],
)
def test_a_fixture_that_cannot_be_read_says_why(tmp_path: Path, content: object, says: str):
    project(tmp_path, "own", content)

    with pytest.raises(FixtureInvalid) as caught:
        load_fixture("own", search_path=[tmp_path])

    assert caught.value.message.startswith(says)


def test_an_unknown_fixture_is_named_with_the_nearest():
    with pytest.raises(NotFound) as caught:
        load_fixture("hostlie")

    assert "Did you mean 'hostile'?" in caught.value.hint


def test_numbers_that_are_left_out_are_counted_in_reading_order():
    story = {"title": "x", "url": ""}
    context = parse_context({**PLAIN, "sections": [{"title": "", "stories": [story, story]}], "briefs": [story]})

    assert context.lead.number == 1
    assert [one.number for one in context.sections[0].stories] == [2, 3]
    assert context.briefs[0].number == 4


def test_saving_a_context_leaves_out_addresses_and_tokens():
    context = load_fixture(patch={"lead": {"teaser": "Write to ann.o+x@mail.example.org today"}})
    link = "https://news.example.com/u/eyJhbGciOi.SECRET?email=ann@example.org&id=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&page=2"
    saved = to_fixture(replace(context, lead=replace(context.lead, url=link)))

    assert saved["lead"]["teaser"] == "Write to reader@example.com today"
    assert saved["lead"]["url"] == "https://news.example.com/u/EXAMPLE?email=EXAMPLE&id=EXAMPLE&page=2"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(target=JSON, patch=JSON)
def test_merging_a_patch_twice_is_merging_it_once(target: object, patch: object):
    once = merge_patch(target, patch)

    assert merge_patch(once, patch) == once


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_patches_merge_as_the_standard_says(target: object, patch: object, merged: object):
    assert merge_patch(target, patch) == merged
