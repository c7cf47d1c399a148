from __future__ import annotations

import re

import pytest
from lxml import html as lxml_html

from digest.compose.environment import templates
from digest.compose.fixtures import fixture_names, load_fixture
from digest.compose.folders import layers_of, theme_names
from digest.compose.kinds import MailKind
from digest.compose.render import render
from digest.compose.sourcemap import stamp, strip


@pytest.mark.parametrize("theme", theme_names())
def test_without_its_stamps_a_mapped_mail_is_the_mail_byte_for_byte(theme: str):
    plain, mapped = templates(theme=theme), templates(theme=theme, source_map=True)

    for kind in MailKind:
        for name in fixture_names(kind):
            context = load_fixture(name, kind=kind)
            made = render(context, env=mapped)
            assert strip(made.html) == render(context, env=plain).html, (kind, name)
            assert "data-src" not in strip(made.html)
            assert "data-src" not in made.text


@pytest.mark.parametrize("theme", ["meridian", "brief"])
def test_a_stamp_names_the_line_its_tag_stands_in(theme: str):
    env = templates(theme=theme, source_map=True)
    stamped = lxml_html.document_fromstring(render(load_fixture(), env=env).html).xpath("//*[@data-src]")
    seen = set()

    assert len(stamped) > 150
    for element in stamped:
        name, _, line = element.get("data-src").rpartition(":")
        path = layers_of(env).path_of(name)
        assert path is not None
        seen.add(path.parent.name)
        assert f"<{element.tag}" in path.read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert theme in seen or theme == "meridian"


def test_only_literal_tags_are_stamped_and_no_line_is_added():
    source = """<p>
{% if a < b %}<a href="{{ '<b>' }}">x</a>{% endif %}
{# <i> #}<!--[if mso]><table><![endif]--><style>a<b</style><{{ tag }}><br/>
"""
    mapped = stamp(source, "x.html")

    assert re.findall(r"<(\w+) data-src=\"x.html:(\d)\"", mapped) == [("p", "1"), ("a", "2"), ("br", "3")]
    assert mapped.count("\n") == source.count("\n")
    assert strip(mapped) == source


@pytest.mark.parametrize("text", ['<a data-src="x:1">', '"><i data-src="x:1">', '" data-src="x:1'])
def test_a_text_that_poses_as_a_stamp_stays(text: str):
    context = load_fixture(patch={"lead": {"title": text, "image": {"alt": text}}})
    plain = render(context, env=templates())

    assert strip(render(context, env=templates(source_map=True)).html) == plain.html
    assert strip(plain.html) == plain.html
