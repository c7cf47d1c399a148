"""Mail clients as far as they can be simulated: what each recipe does to a mail."""

from __future__ import annotations

import pytest

from digest.workshop.clients import Client, Fidelity, badge, simulate

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>x</title>
<!--[if mso]><style>td{font-family:Arial}</style><![endif]-->
<style>@media (prefers-color-scheme:dark){.ink{color:#f3f4f6!important}}</style>
<style>[data-ogsc] .ink{color:#f3f4f6!important}</style>
</head><body style="background-color:#ffffff"><!-- a comment -->
<!--[if mso]><table width="600"><tr><td><![endif]-->
<div style="padding:10px;width:50%;display:flex;color:#16191d" data-src="email/a.html:7">one</div>
<!--[if !mso]><!--><p>not for Word</p><!--<![endif]-->
<table><tr>
<td style="padding:10px;border-radius:4px;border:1px solid #333333;background-color:#f4f3ef" bgcolor="#f4f3ef">
<img src="https://example.com/a.png" width="10" height="12" alt="Hills"><a href="https://example.com/">two</a></td></tr></table>
<!--[if mso]></td></tr></table><![endif]-->
</body></html>
"""


@pytest.mark.parametrize("client", Client)
def test_every_simulation_says_how_near_it_comes_and_what_it_fakes(client: Client):
    assert badge(client).says
    assert badge(client).name
    assert (badge(client).fidelity is Fidelity.ROUGH) is (client in {Client.FORCED_DARK, Client.OUTLOOK_WINDOWS})


@pytest.mark.parametrize("client", [one for one in Client if one is not Client.TEXT])
def test_marks_of_the_source_map_survive_every_simulation(client: Client):
    assert 'data-src="email/a.html:7"' in simulate(PAGE, client)


def test_as_authored_the_dark_rules_are_on_or_off():
    assert "@media all{.ink" in simulate(PAGE, Client.AUTHORED, dark=True)
    assert "@media not all{.ink" in simulate(PAGE, Client.AUTHORED)


def test_the_gmail_app_has_no_style_elements_and_no_comments():
    shown = simulate(PAGE, Client.GMAIL_APP)

    assert "<style" not in shown
    assert "<!--" not in shown
    assert 'style="padding:10px' in shown


def test_without_images_boxes_and_alt_texts_are_left():
    shown = simulate(PAGE, Client.IMAGES_OFF)

    assert "example.com/a.png" not in shown
    assert 'width="10" height="12" alt="Hills"' in shown


def test_outlook_com_has_its_hooks_and_the_dark_rules():
    shown = simulate(PAGE, Client.OUTLOOK_COM_DARK)

    assert "data-ogsc" in shown.partition("<head")[0]
    assert "@media all{.ink" in shown


def test_forced_dark_turns_light_grounds_dark_and_dark_text_light():
    shown = simulate(PAGE, Client.FORCED_DARK)

    assert "background-color:#ffffff" not in shown
    assert "#16191d" not in shown
    assert 'bgcolor="#f4f3ef"' not in shown
    assert "1px solid #333333" not in shown
    assert "https://example.com/a.png" in shown


def test_forced_dark_inverts_the_colours_a_client_has_by_itself():
    shown = simulate("<html><body>words <a href='https://example.com/'>link</a></body></html>", Client.FORCED_DARK)

    assert '<body style="background-color:#' in shown
    assert "#0000ee" not in shown


def test_word_gets_its_own_parts_and_nothing_it_does_not_know():
    shown = simulate(PAGE, Client.OUTLOOK_WINDOWS)

    assert '<table width="600">' in shown
    assert "td{font-family:Arial}" in shown
    assert "not for Word" not in shown
    assert "prefers-color-scheme" not in shown
    assert "display:flex" not in shown
    assert "border-radius" not in shown
    assert 'style="color:#16191d"' in shown
    assert "padding:10px" in shown.partition("<td style=")[2]


def test_text_is_shown_as_it_is():
    assert "a &lt;b&gt;\n  c" in simulate("a <b>\n  c", Client.TEXT)


def test_a_button_of_word_is_a_box_of_its_size_and_colour():
    page = (
        '<html><body><!--[if mso]><v:roundrect href="https://example.com/c" style="height:48px;width:300px" '
        'fillcolor="#a8321f"><center style="color:#ffffff">Go on</center></v:roundrect><![endif]--></body></html>'
    )
    shown = simulate(page, Client.OUTLOOK_WINDOWS)

    assert '<a href="https://example.com/c" style="display:block;width:300px;line-height:48px' in shown
    assert "background-color:#a8321f" in shown
    assert "Go on</center></a>" in shown
