"""The language of a text, said and seen."""

from __future__ import annotations

import pytest

from digest.text import language, words

ENGLISH = (
    "The city council voted on Tuesday to reopen the old harbour baths next spring, after nine years of closure. " * 3
)
TEXTS = {
    "en": ENGLISH,
    "de": "Der Stadtrat hat am Dienstag beschlossen, das alte Hafenbad im nächsten Frühjahr wieder zu öffnen. " * 3,
    "fr": "Le conseil municipal a décidé mardi de rouvrir les anciens bains du port au printemps prochain. " * 3,
    "es": "El ayuntamiento decidió el martes reabrir los antiguos baños del puerto la próxima primavera. " * 3,
    "ru": "Городской совет во вторник решил вновь открыть старые портовые бани следующей весной. " * 3,
    "ja": "市議会は火曜日、九年間閉鎖されていた古い港の浴場を来春に再開することを決めた。" * 3,
    "ar": "قرر مجلس المدينة يوم الثلاثاء إعادة فتح حمامات الميناء القديمة في الربيع المقبل. " * 3,
}


@pytest.mark.parametrize("code", list(TEXTS))
def test_a_text_shows_its_language(code: str):
    assert language.of(TEXTS[code]) == code


def test_a_declared_region_is_kept_where_the_language_fits():
    assert language.of(ENGLISH, declared="en-GB") == "en-GB"
    assert language.of(ENGLISH, declared="en_US") == "en-US"


def test_a_wrong_declaration_gives_way_to_a_long_text_but_not_to_a_short_one():
    assert language.of(TEXTS["de"], declared="en") == "de"
    assert language.of("Der Hafen", declared="en") == "en"


def test_near_relatives_are_left_to_the_declaration():
    norwegian = "Kommunestyret vedtok tirsdag å gjenåpne det gamle havnebadet neste vår etter ni år. " * 3

    assert language.of(norwegian, declared="nb") == "nb"


def test_nothing_is_nothing():
    assert language.of("") is None
    assert language.of("12 34 56 78 90", declared="not a tag!") is None
    assert language.base("pt_BR") == "pt"
    assert language.base(None) == ""


def test_reading_time_is_that_of_the_language():
    assert words.reading_minutes(2380, "en-GB") == 10
    assert words.reading_minutes(2380, "de") == 13  # German needs fewer, longer words
    assert words.reading_minutes(words.count("字" * 1330), "zh") == 5
    assert words.reading_minutes(2300) == words.reading_minutes(2300, "xx") == 10
