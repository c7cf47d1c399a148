from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html as lxml_html

from digest.compose.environment import templates, theme
from digest.compose.fixtures import fixture_names, load_fixture
from digest.compose.folders import Layers, layers_of, theme_names
from digest.compose.kinds import MailKind
from digest.compose.render import render
from digest.compose.themes import theme_notes
from digest.model.errors import NotFound, TemplateBroken
from digest.text import slots
from support.composing import SLOT_VALUES

HOSTILE_NAMES = ["../meridian", "", ".", "plain/..", "/etc", "Plain"]


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return folder


def test_there_are_four_themes_and_each_looks_different():
    pages = {name: render(load_fixture(), env=templates(theme=name)).html for name in theme_names()}

    assert list(pages) == ["brief", "journal", "meridian", "plain"]
    assert len(set(pages.values())) == 4


def test_plain_has_no_pictures_and_is_small():
    rendered = render(load_fixture(), env=templates(theme="plain"))

    assert "<img" not in rendered.html
    assert len(rendered.html.encode()) < 15_000


def test_brief_numbers_its_lines_and_says_why_in_both_parts():
    context = load_fixture()
    rendered = render(context, env=templates(theme="brief"))
    root = lxml_html.document_fromstring(rendered.html)

    assert [cell.text for cell in root.xpath("//td[contains(@class,'no')]")] == [str(n) for n in range(2, 10)]
    assert rendered.html.count("Why it matters:") == rendered.text.count("Why it matters:") == 8
    assert [bold.text for bold in root.iter("b")] == ["Why it matters:"] * 8


def test_journal_opens_with_one_large_piece_and_shows_no_thumbs():
    root = lxml_html.document_fromstring(render(load_fixture(), env=templates(theme="journal")).html)

    assert len(root.xpath("//img")) == 1
    assert root.xpath("//p[contains(@class,'opening')]")[0].text == load_fixture().lead.teaser


@pytest.mark.parametrize("name", theme_names())
def test_every_theme_has_every_kind_with_its_stories_its_way_out_and_its_address(name: str):
    env = templates(theme=name)
    for kind in MailKind:
        for fixture in fixture_names(kind):
            context = load_fixture(fixture, kind=kind)
            rendered = render(context, env=env)
            page = lxml_html.document_fromstring(slots.fill_html(rendered.html, SLOT_VALUES)).text_content()
            page = " ".join(page.replace("\u200b", "").split())
            text = " ".join(slots.fill_text(rendered.text, SLOT_VALUES).split())
            stories = [context.lead, *(story for section in context.sections for story in section.stories)]
            for story in [one for one in (*stories, *context.briefs) if one]:
                assert story.title in page, (kind, fixture, story.title)
                assert "".join(story.title.split()) in "".join(text.split()), (kind, fixture, story.title)
            for part in (page, text):
                assert "".join(context.publication.postal_address.split()) in "".join(part.split()), (kind, fixture)
            links = {"unsubscribe_url", "confirm_url", "preferences_url", "undo_url"} & slots.slots_in(rendered.html)
            assert len(links) == (0 if kind is MailKind.MOVED else 1), (kind, fixture)


def test_a_themes_file_stands_for_ours_and_an_operators_for_both(tmp_path: Path):
    write(tmp_path, "email/theme.toml", '[light]\nink = "#000000"\n')
    own = theme(templates([tmp_path], theme="plain"))

    assert own["light"]["ink"] == "#000000"
    assert own["light"]["accent"] == "#0a58a8"
    assert own["light"]["muted"] == "#5b636c"


def test_an_operators_folder_makes_a_new_theme(tmp_path: Path):
    write(tmp_path, "email/themes/noon/theme.toml", '[light]\naccent = "#004488"\n')
    write(tmp_path, "email/themes/noon/digest/subject.txt", "Noon: {{ subject }}")
    env = templates([tmp_path], theme="noon")
    rendered = render(load_fixture(), env=env)

    assert theme_names([tmp_path]) == ["brief", "journal", "meridian", "noon", "plain"]
    assert rendered.subject.startswith("Noon: ")
    assert "#004488" in rendered.html
    assert layers_of(env).path_of("email/digest/subject.txt") == tmp_path / "email/themes/noon/digest/subject.txt"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_what_is_no_theme_is_refused_with_those_there_are(name: str):
    with pytest.raises(NotFound, match="there is no theme") as caught:
        templates(theme=name)

    assert caught.value.hint == "Themes are brief, journal, meridian, plain."


def test_a_file_put_before_another_one_is_seen_at_once_and_so_is_its_going(tmp_path: Path):
    env = templates([tmp_path])
    subjects = [render(load_fixture(), env=env).subject]
    write(tmp_path, "email/digest/subject.txt", "Mine")
    subjects.append(render(load_fixture(), env=env).subject)
    (tmp_path / "email/digest/subject.txt").unlink()
    subjects.append(render(load_fixture(), env=env).subject)

    assert subjects == [load_fixture().subject, "Mine", load_fixture().subject]


def test_a_name_never_leaves_its_folders(tmp_path: Path):
    write(tmp_path, "secret.txt", "secret")
    folders = templates([tmp_path / "templates"]).loader
    assert isinstance(folders, Layers)

    assert folders.path_of("../secret.txt") is None
    assert folders.path_of("email/../../secret.txt") is None


def test_a_logo_takes_the_place_of_the_name_and_keeps_it_as_text(tmp_path: Path):
    write(tmp_path, "email/theme.toml", '[logo]\nsrc = "https://example.com/l.png"\nwidth = "120"\nheight = "30"\n')
    root = lxml_html.document_fromstring(render(load_fixture(), env=templates([tmp_path])).html)
    logo = root.xpath("//h1/img")[0]

    assert [logo.get(name) for name in ("src", "width", "height", "alt")] == [
        "https://example.com/l.png",
        "120",
        "30",
        "The Meridian",
    ]


def test_a_line_of_the_owner_stands_in_both_footers_and_is_only_text(tmp_path: Path):
    write(tmp_path, "email/theme.toml", "[footer]\nline = 'A <b>person</b> reads answers.'\n")
    rendered = render(load_fixture(), env=templates([tmp_path]))

    assert "A &lt;b&gt;person&lt;/b&gt; reads answers." in rendered.html
    assert "A <b>person</b> reads answers." in rendered.text


def test_pictures_can_be_switched_off_for_all_or_but_the_lead(tmp_path: Path):
    counts = {}
    for choice in ("all", "lead", "none"):
        write(tmp_path, "email/theme.toml", f'[show]\npictures = "{choice}"\n')
        counts[choice] = render(load_fixture(), env=templates([tmp_path])).html.count("<img")

    assert counts == {"all": 5, "lead": 1, "none": 0}


@pytest.mark.parametrize(
    ("content", "says", "line"),
    [
        ('[logo]\nsrc = "http://example.com/l.png"', "logo.src = 'http://example.com/l.png' is not an https", 2),
        ('[logo]\n\nwidth = "wide"', "logo.width = 'wide' is not a number of pixels", 3),
        ('[logo]\nsource = "x"', "logo.source is not known", 2),
        ('[show]\npictures = "some"', "show.pictures = 'some' is not one of all, lead, none", 2),
        ("[light]\n\nink = red", "Invalid value", 3),
        ('[light]\nink = "red;}"', "light.ink = 'red;}' is not a CSS value", 2),
    ],
)
def test_what_may_not_stand_in_a_theme_is_named_with_its_line(tmp_path: Path, content: str, says: str, line: int):
    write(tmp_path, "email/theme.toml", content)

    with pytest.raises(TemplateBroken) as caught:
        render(load_fixture(), env=templates([tmp_path]))

    assert says in caught.value.message
    assert (caught.value.template, caught.value.line) == ("email/theme.toml", line)


def test_an_accent_nobody_could_read_is_mended_in_the_mail_and_told(tmp_path: Path):
    write(tmp_path, "email/theme.toml", '[light]\naccent = "#ffcc00"\n')
    env = templates([tmp_path])
    (note,) = theme_notes(env)

    assert "#ffcc00" not in render(load_fixture(), env=env).html
    assert note.used in render(load_fixture(), env=env).html
