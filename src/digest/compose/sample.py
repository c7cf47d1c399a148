"""An issue of an invented newsroom, for previews and tests before there is a real one.

Rules: the data lies in ``email/samples/*.json`` beside the templates; every name, address and event in it is
made up. Pictures are drawn by `compose.pictures` and named by what they show, so a preview can serve them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from digest.compose.build import join_headlines
from digest.compose.context import (
    Brief,
    Copy,
    DigestContext,
    Image,
    IssueFacts,
    PublicationFacts,
    Section,
    Story,
)
from digest.compose.environment import package_templates
from digest.model.errors import NotFound
from digest.text.wording import direction, long_date

PICTURES = "https://pictures.example.com"


def sample_names() -> list[str]:
    """The names `sample_context` knows."""
    return sorted(path.stem for path in (package_templates() / "email" / "samples").glob("*.json"))


def sample_context(
    name: str = "daily",
    *,
    base_url: str = "https://news.example.com",
    pictures: str = PICTURES,
    personal: bool = True,
) -> DigestContext:
    """The sample issue ``name``, its pictures at ``<pictures>/<what>.png``. Raises NotFound for another name."""
    if name not in sample_names():
        raise NotFound(f"there is no sample issue {name!r}", hint=f"Known are {', '.join(sample_names())}.")
    path = package_templates() / "email" / "samples" / f"{name}.json"
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    numbers = iter(range(1, 1000))
    lead = _story(raw["lead"], next(numbers), pictures)
    sections = tuple(
        Section(one["title"], tuple(_story(story, next(numbers), pictures) for story in one["stories"]))
        for one in raw["sections"]
    )
    briefs = tuple(Brief(next(numbers), one["title"], one["url"], one["source"]) for one in raw["briefs"])
    others = [*(story.title for section in sections for story in section.stories), *(one.title for one in briefs)]
    home_url = f"{base_url}/{raw['publication'].pop('slug')}"
    return DigestContext(
        publication=PublicationFacts(home_url=home_url, **raw["publication"]),
        issue=IssueFacts(
            number=raw["number"],
            date=long_date(date.fromisoformat(raw["day"]), raw["lang"]),
            reading_minutes=raw["reading_minutes"],
            web_url=f"{home_url}/{raw['number']}",
        ),
        subject=lead.title,
        preheader=join_headlines(others[:2]),
        lead=lead,
        sections=sections,
        briefs=briefs,
        lang=raw["lang"],
        dir=direction(raw["lang"]),
        personal=personal,
    )


def _story(raw: Mapping[str, Any], number: int, pictures: str) -> Story:
    picture = raw.get("picture")
    return Story(
        number=number,
        title=raw["title"],
        url=raw["url"],
        teaser=raw["teaser"],
        source=raw["source"],
        minutes=raw["minutes"],
        day=raw.get("day", ""),
        image=Image(f"{pictures}/{picture}.png", raw["alt"]) if picture else None,
        also_at=tuple(Copy(source, url) for source, url in raw.get("also_at", ())),
    )
