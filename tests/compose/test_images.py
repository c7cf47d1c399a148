"""Which picture a story shows."""

from __future__ import annotations

from typing import Any

import pytest

from digest.compose.images import Pictures, missing, wanted
from digest.model.article import Article
from digest.model.image import ImageMode, ImageSize, OwnImage
from digest.model.issue import IssueItem, Role
from support.composing import article, item

OWN = OwnImage("a" * 64, 1200, 600)


def shown(mode: ImageMode, **changes: Any) -> str | None:
    pictures = Pictures(mode, {1: {ImageSize.LEAD: OWN}}, "https://news.example.org")
    found = pictures.of(article(1, **changes), ImageSize.LEAD)
    return found.src if found else None


def test_own_copies_are_served_by_us_with_their_size():
    pictures = Pictures(ImageMode.OWN, {1: {ImageSize.LEAD: OWN}}, "https://news.example.org/")

    found = pictures.of(article(1, image_url="https://e.org/a.jpg", image_alt="A boat"), ImageSize.LEAD)

    assert found is not None
    assert found.src == f"https://news.example.org/images/{'a' * 64}.jpg"
    assert (found.alt, found.width, found.height) == ("A boat", 1200, 600)


def test_without_a_copy_of_our_own_nothing_is_fetched_from_the_publisher():
    pictures = Pictures(ImageMode.OWN, {}, "https://news.example.org")

    assert pictures.of(article(1, image_url="https://e.org/a.jpg"), ImageSize.LEAD) is None


def test_none_means_none():
    assert shown(ImageMode.NONE, image_url="https://e.org/a.jpg") is None


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("https://e.org/a.jpg", "https://e.org/a.jpg"),
        ("http://e.org/a.jpg", None),
        ("https://e.org/a.svg", None),
        ("https://[broken", None),
        (None, None),
    ],
)
def test_a_publishers_picture_is_shown_where_mail_clients_show_it(url: str | None, want: str | None):
    assert shown(ImageMode.REMOTE, image_url=url) == want


def items() -> list[IssueItem]:
    return [
        item(1, role=Role.LEAD, section="world", position=1),
        item(2, role=Role.STORY, section="world", position=2),
        item(3, role=Role.STORY, section="city", position=3),
        item(4, role=Role.BRIEF, section="city", position=4),
        item(5, role=Role.BRIEF, section="sport", position=5),
    ]


def test_what_can_lead_for_some_reader_is_wanted_large():
    assert wanted(items()) == {
        1: (ImageSize.LEAD, ImageSize.THUMB),
        2: (ImageSize.THUMB,),
        3: (ImageSize.LEAD, ImageSize.THUMB),
        5: (ImageSize.LEAD,),
    }


def test_only_what_is_not_there_yet_or_has_changed_is_made():
    found: list[Article] = [article(n, image_url=f"https://e.org/{n}.jpg") for n in (1, 2)] + [
        article(3, image_url=None)
    ]
    have = {(1, ImageSize.LEAD): "https://e.org/1.jpg", (2, ImageSize.THUMB): "https://e.org/earlier.jpg"}

    assert missing(found, wanted(items()), have) == {
        1: ("https://e.org/1.jpg", (ImageSize.THUMB,)),
        2: ("https://e.org/2.jpg", (ImageSize.THUMB,)),
    }
