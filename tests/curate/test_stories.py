"""Which articles are one report."""

from __future__ import annotations

from digest.curate.stories import group
from digest.model.article import Article
from support.articles import make_article, prose


def keys(*articles: Article) -> list[list[int]]:
    return [[article.id for article in story] for story in group(articles)]


def test_unrelated_articles_are_stories_of_their_own_in_the_given_order():
    assert keys(make_article(3), make_article(1), make_article(2)) == [[3], [1], [2]]


def test_a_report_cut_short_by_one_paper_is_the_same_story_as_the_whole():
    whole, cut = make_article(1, text=prose("w", 200)), make_article(2, text=prose("w", 60))

    assert keys(whole, make_article(3), cut) == [[1, 2], [3]]


def test_a_new_first_paragraph_does_not_hide_a_copy():
    whole = make_article(1, text=prose("w", 60))
    copy = make_article(2, text=f"{prose('own', 20)} {prose('w', 60)}")

    assert keys(whole, copy) == [[1, 2]]


def test_case_and_punctuation_do_not_hide_a_copy():
    text = prose("w", 60)

    assert keys(make_article(1, text=text), make_article(2, text=text.upper().replace(" ", ", "))) == [[1, 2]]


def test_less_than_three_fifths_in_common_is_another_report():
    """Of 56 shingles of the shorter text 36 are shared where 40 words are, and 31 where 35 are."""
    whole = make_article(1, text=prose("w", 80))
    merged, apart = (make_article(2, text=f"{prose('w', n)} {prose('x', 60 - n)}") for n in (40, 35))

    assert keys(whole, merged) == [[1, 2]]
    assert keys(whole, apart) == [[1], [2]]


def test_short_texts_are_not_merged_for_their_words():
    short = prose("w", 15)

    assert keys(make_article(1, text=short), make_article(2, text=short)) == [[1], [2]]


def test_a_short_text_inside_a_long_one_proves_nothing():
    assert keys(make_article(1, text=prose("w", 15)), make_article(2, text=prose("w", 100))) == [[1], [2]]


def test_the_same_words_in_the_title_make_one_story_whatever_the_text():
    one, other = make_article(1, title="Night trains return!"), make_article(2, title="NIGHT TRAINS – return")

    assert keys(one, other) == [[1, 2]]


def test_empty_titles_and_empty_texts_merge_nothing():
    assert keys(make_article(1, title="", text=""), make_article(2, title="…", text="")) == [[1], [2]]


def test_copies_of_copies_are_one_story():
    a = make_article(1, text=prose("w", 60))
    b = make_article(2, text=prose("w", 60), title="Bridge reopens")
    c = make_article(3, title="Bridge reopens")

    assert keys(a, c, b) == [[1, 3, 2]]
    assert keys(c, a, b) == [[3, 1, 2]]


def test_nothing_gives_no_story():
    assert keys() == []
