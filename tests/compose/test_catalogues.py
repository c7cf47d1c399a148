from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from digest.compose.catalogues import UnknownString, catalogues
from digest.compose.environment import templates
from digest.compose.fixtures import load_fixture
from digest.compose.folders import package_templates
from digest.compose.kinds import MailKind
from digest.compose.render import render
from digest.compose.strings import COUNTED, ENGLISH
from digest.model.errors import TemplateBroken

FOLDER = package_templates()
LANGUAGES = sorted(path.stem for path in (FOLDER / "locale").glob("*.po"))


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def po(folder: Path, language: str, *lines: str) -> Path:
    path = folder / "locale" / f"{language}.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = ['msgid ""', 'msgstr ""', r'"Content-Type: text/plain; charset=utf-8\n"', ""]
    path.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    return folder


def test_english_names_a_number_for_each_text_of_several_forms():
    assert {string_id for string_id, text in ENGLISH.items() if not isinstance(text, str)} == set(COUNTED)
    for string_id, count in COUNTED.items():
        assert all(names_in(form) <= {count} for form in ENGLISH[string_id])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_catalogue_says_every_id_with_the_same_names_and_in_its_own_words(language: str):
    with (FOLDER / "locale" / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    said = {
        message.id if isinstance(message.id, str) else message.id[0]: message for message in catalogue if message.id
    }

    assert LANGUAGES == ["ar", "de"]
    assert list(said) == list(ENGLISH)
    for string_id, text in ENGLISH.items():
        message = said[string_id]
        forms = [message.string] if isinstance(message.string, str) else list(message.string)
        english = [text] if isinstance(text, str) else list(text)
        assert not message.fuzzy
        assert all(forms), string_id
        assert len(forms) == (1 if isinstance(text, str) else catalogue.num_plurals), string_id
        if isinstance(text, str):
            assert names_in(forms[0]) == names_in(text), string_id
        else:  # "one" and "two" may be words
            assert names_in(forms[-1]) == names_in(english[-1]), string_id
            assert all(names_in(form) <= names_in(english[-1]) for form in forms), string_id
        if re.search("[A-Za-z]{3}", re.sub(r"\{\w+\}", "", english[0])):
            assert forms[0] != english[0], string_id


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [
        ("en", 1, "1 more story on the web"),
        ("en", 2, "2 more stories on the web"),
        ("de-AT", 1, "1 weiterer Beitrag im Web"),
        ("de_CH", 5, "5 weitere Beiträge im Web"),
        ("ar", 2, "خبران آخران على الويب"),
        ("ar-EG", 7, "7 أخبار أخرى على الويب"),
        ("ar", 25, "25 خبرا آخر على الويب"),
        ("fr", 3, "3 more stories on the web"),
        ("../../../etc/x", 3, "3 more stories on the web"),
        ("", 3, "3 more stories on the web"),
    ],
)
def test_a_text_is_in_the_form_of_its_number_and_in_the_nearest_language(language: str, count: int, said: str):
    assert catalogues([FOLDER]).translator(language)("left-out", count=count) == said


def test_an_operators_catalogue_changes_and_adds_single_texts_by_region(tmp_path: Path):
    po(tmp_path, "de", 'msgid "top-story"', 'msgstr "Aufmacher"', "", 'msgid "tip"', 'msgstr "Tipp: {what}"')
    po(tmp_path, "de_AT", 'msgid "unsubscribe"', 'msgstr "Abmelden"')
    t = catalogues([tmp_path, FOLDER]).translator("de-AT")

    assert (t("top-story"), t("unsubscribe"), t("untitled")) == ("Aufmacher", "Abmelden", "Ohne Titel")
    assert t("tip", what="x") == "Tipp: x"


def test_a_fuzzy_or_empty_text_is_not_used(tmp_path: Path):
    po(tmp_path, "de", "#, fuzzy", 'msgid "top-story"', 'msgstr "Quatsch"', "", 'msgid "untitled"', 'msgstr ""')

    assert catalogues([tmp_path]).translator("de")("top-story") == "Top story"
    assert catalogues([tmp_path, FOLDER]).translator("de")("untitled") == "Ohne Titel"


def test_an_unknown_id_is_an_error_in_every_language():
    for language in ("en", "de"):
        with pytest.raises(UnknownString):
            catalogues([FOLDER]).translator(language)("top-storry")


def test_a_catalogue_that_is_none_is_named(tmp_path: Path):
    path = po(tmp_path, "de") / "locale" / "de.po"
    path.write_text('msgid "top-story"\nrubbish\nmsgstr "x"\n', encoding="utf-8")

    with pytest.raises(TemplateBroken, match=r"de\.po: ") as caught:
        render(load_fixture(patch={"lang": "de"}), env=templates([tmp_path]))
    assert str(path) in caught.value.hint
    assert (caught.value.template, caught.value.line) == ("locale/de.po", 2)


@pytest.mark.parametrize("kind", MailKind)
def test_the_right_to_left_mails_speak_one_language_throughout(kind: MailKind):
    context = load_fixture("rtl", kind=kind)
    rendered = render(context, env=templates())
    words = re.sub(r"https?://\S+|\ue000\w+\ue001", " ", rendered.text)

    assert re.findall("[A-Za-z]{2,}", words) == []


def test_a_german_issue_speaks_german_in_both_parts():
    rendered = render(load_fixture(patch={"lang": "de-DE"}), env=templates())

    for part in (rendered.html, rendered.text):
        assert "Abbestellen" in part
        assert "Unsubscribe" not in part
    assert "THEMA DES TAGES" in rendered.text
