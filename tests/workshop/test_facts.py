"""The table of facts about mail clients, and the script that writes it."""

from __future__ import annotations

import importlib.util
from datetime import date
from types import ModuleType

import pytest

from digest.workshop.compat import WITHOUT, spoken
from digest.workshop.facts import DEFAULT_CLIENTS, client_name, client_names, known_clients, table
from digest.workshop.features import of_declaration
from support.documents import ROOT


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compat_facts", ROOT / "tools" / "compat_facts.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_fact_has_its_day_and_an_answer_for_every_client():
    assert len(table()) > 300
    for fact in table().values():
        assert date(2018, 1, 1) < date.fromisoformat(fact.tested_on) < date(2027, 1, 1)
        assert set(fact.support.values()) <= set("yan-")
    assert set(DEFAULT_CLIENTS) <= set(known_clients())


def test_what_is_lost_gracefully_is_in_the_table():
    assert sorted(WITHOUT.keys() - table().keys()) == []


def test_the_script_and_the_table_are_about_the_same_clients(script: ModuleType):
    assert known_clients() == script.CLIENTS


@pytest.mark.parametrize(
    ("versions", "letter"),
    [
        ({}, "-"),
        ({"2019": "n", "2007": "y"}, "n"),
        ({"9.0": "n", "10.0": "y #1"}, "y"),
        ({"2021-10": "y", "2023-12": "a #2"}, "a"),
        ({"2021-10": "y", "16.80": "n"}, "n"),
        ({"2021-10": "u"}, "-"),
    ],
)
def test_the_newest_version_counts_and_the_worse_where_none_is_newest(
    script: ModuleType, versions: dict[str, str], letter: str
):
    assert script.support({"outlook": {"macos": versions}}, "outlook.macos") == letter


def test_clients_are_named_as_people_say_them():
    assert client_name("outlook.windows") == "Outlook Windows"
    assert client_name("outlook.outlook-com") == "Outlook.com"
    assert client_names(("gmail.android", "gmail.desktop-webmail", "gmail.ios")) == "Gmail"
    assert client_names(("outlook.windows", "outlook.outlook-com")) == "Outlook (Windows, Outlook.com)"
    assert client_names(("yahoo.ios", "thunderbird.macos")) == "Yahoo iOS, Thunderbird Mac"


@pytest.mark.parametrize(
    ("name", "value", "features"),
    [
        ("display", "inline-flex", {"css-display", "css-display-flex"}),
        ("padding-left", "2rem", {"css-padding", "css-unit-rem"}),
        ("width", "calc(100% - 2em)", {"css-width", "css-unit-calc", "css-unit-em"}),
        ("color", "light-dark(#111, #eee)", {"css-function-light-dark"}),
        ("background-image", "url('https://example.com/max(1)/10vw.png')", {"css-background-image"}),
        ("font-family", "'10vw', serif", set()),
        ("column-gap", "4px", {"css-gap"}),
    ],
)
def test_a_declaration_uses_features_by_the_names_of_the_table(name: str, value: str, features: set[str]):
    found = set(of_declaration(name, value))

    assert features <= found
    assert not {one for one in found if one.startswith("css-unit-v")}


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ("css-border-radius", "border-radius"),
        ("css-at-media-prefers-color-scheme", "@media prefers-color-scheme"),
        ("css-pseudo-class-hover", ":hover"),
        ("html-form", "<form>"),
        ("image-webp", "image/webp"),
    ],
)
def test_features_are_named_as_templates_write_them(feature: str, words: str):
    assert spoken(feature) == words
