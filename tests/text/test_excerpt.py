from __future__ import annotations

import pytest

from digest.text import excerpt

_TEXT = (
    "The U.S. Army said on Monday that Gen. Smith will leave in Sept. 2025. He served for thirty years in three "
    "countries. A successor has not been named, officials said.\n\nA second paragraph follows."
)


def test_a_good_description_is_the_teaser():
    description = "The city council voted on Tuesday to reopen the old harbour baths next spring."

    assert excerpt.teaser(description, title="Baths reopen", text=_TEXT) == description


@pytest.mark.parametrize(
    "description",
    [
        "Too short.",
        "x" * 401,
        "General Smith will leave the United States Army after thirty years of service",
        "The city council voted on Tuesday to reopen the old harbour baths. Continue reading",
        "The city council voted on Tuesday to reopen the old harbour baths next spring and […]",
        "The city council voted on Tuesday to reopen the old harbour baths next spring and [...]",
    ],
)
def test_a_poor_description_gives_way_to_the_lead(description: str):
    title = "General Smith will leave the United States Army after thirty years of service"

    assert excerpt.teaser(description, title=title, text=_TEXT).startswith("The U.S. Army said on Monday")


def test_the_lead_is_whole_sentences_up_to_260_characters():
    lead = excerpt.lead(_TEXT)

    assert lead.endswith("officials said.")
    assert len(lead) <= 260


def test_a_long_first_sentence_is_cut_at_a_word():
    lead = excerpt.lead("word " * 200)

    assert lead.endswith("word…")
    assert len(lead) <= 261


def test_abbreviations_and_initials_never_end_a_sentence():
    text = "Troops under U.S. Command met Mr. Jones at 5 p.m. Monday. J. R. Hart spoke. “Yes!” She left. Done"

    assert excerpt.sentences(text) == [
        "Troops under U.S. Command met Mr. Jones at 5 p.m. Monday.",
        "J. R. Hart spoke.",
        "“Yes!”",
        "She left.",
        "Done",
    ]


@pytest.mark.parametrize(
    "dateline", ["BERLIN (Reuters) - ", "New York, Aug. 20 – ", "PARIS — ", "(AP) — ", "WASHINGTON, D.C. (AP) — "]
)
def test_datelines_are_skipped(dateline: str):
    assert (
        excerpt.lead(f"{dateline}The mayor spoke for an hour about trees.")
        == "The mayor spoke for an hour about trees."
    )


def test_bylines_stamps_and_the_title_are_skipped():
    text = "Baths reopen\nBy Ann Example\nPublished: 20 August 2025\nThe baths open again in spring."

    assert excerpt.teaser("", title="Baths reopen", text=text) == "The baths open again in spring."


def test_nothing_gives_nothing():
    assert excerpt.teaser("", title="A", text="") == ""
    assert excerpt.teaser("A", title="A", text="") == ""


@pytest.mark.parametrize(
    ("cut", "kept"),
    [
        (
            "The council voted for the new bridge on Thursday, 9 to 4, after a long debate. Work begins in...",
            "The council voted for the new bridge on Thursday, 9 to 4, after a long debate.",
        ),
        (
            "The council voted for the new bridge on Thursday, 9 to 4, after a long debate. The mayor said the",
            "The council voted for the new bridge on Thursday, 9 to 4, after a long debate.",
        ),
        (
            "A ferry that had been missing in the fog since the early hours of Monday was found by fishermen off",
            "A ferry that had been missing in the fog since the early hours of Monday was found by fishermen off…",
        ),
    ],
)
def test_a_summary_cut_in_a_sentence_ends_where_a_sentence_does_or_shows_the_cut(cut: str, kept: str):
    assert excerpt.teaser(cut, title="A bridge", text="") == kept
    assert excerpt.teaser("", title="A bridge", text=cut) == kept


@pytest.mark.parametrize(
    ("text", "language", "count"),
    [
        ("Am 3. Oktober feiern alle. Danach ist Ruhe.", "de", 2),
        ("Am 3. Oktober feiern alle. Danach ist Ruhe.", None, 2),
        ("Im 19. Jahrhundert war das anders. Heute nicht.", "de", 2),
        ("Der Bau kostet z.B. Geld. Das sagt Dr. Meier.", "de", 2),
        ("He said no. Then he left. It was No. 5 on the list.", "en", 3),
        ("M. Dupont est arrivé à Paris. Il parle.", "fr", 2),
        ("यह पहला वाक्य है। यह दूसरा है।", "hi", 2),
        ("هل هذا صحيح؟ نعم. هذا صحيح.", "ar", 3),
        ("これは文です。次の文です。", "ja", 2),
    ],
)
def test_sentences_of_other_languages(text: str, language: str | None, count: int):
    assert len(excerpt.sentences(text, language=language)) == count


@pytest.mark.parametrize(
    "dateline",
    ["TOKYO, 20 Aug (AP) — ", "Berlin (dpa) - ", "MADRID, 20 ago. (EUROPA PRESS) - ", "Köln/Berlin (epd). - "],
)
def test_datelines_of_agencies_everywhere_are_skipped(dateline: str):
    assert excerpt.lead(f"{dateline}The mayor spoke for an hour.") == "The mayor spoke for an hour."


def test_a_description_that_is_the_cut_beginning_of_the_text_gives_way_to_whole_sentences():
    text = "The council voted for the new bridge on Thursday after a long debate about costs. Work begins in May."

    assert excerpt.teaser(text[:70], title="A bridge", text=text) == text


def test_scripts_that_say_more_in_fewer_characters_have_shorter_teasers():
    text = "市議会は火曜日、九年間閉鎖されていた古い港の浴場を来春に再開することを決めた。" * 10

    lead = excerpt.lead(text)

    assert 60 <= len(lead) <= 130
    assert excerpt.is_good_description(
        "市議会は火曜日、九年間閉鎖されていた古い港の浴場を来春に再開する。", title="浴場"
    )
