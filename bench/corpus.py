"""The issue that every sender sends: about 50 kB of HTML and 8 kB of text, made by this code, the same each time.

As a process (``python -m bench.corpus FILE``) it writes the issue in the forms the senders need: Jinja2 templates with
the items, for those who render for every reader, and the page rendered once with ``{{name}}`` in the personal places.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random
from typing import Any

SUBJECT = "Harbour and hill: what happened since yesterday"
SENDER_NAME, SENDER, DOMAIN = "The Desk", "desk@example.com", "example.com"
#: The places of a mail that differ from reader to reader, as the product has them.
PERSONAL = ("email", "signed_up_on", "unsubscribe_url")
_ITEMS = 29
_SUMMARY_IN_TEXT = 90

_WHO = ("The council", "A ferry crew", "Two schools", "The orchard society", "A night editor", "The rowing club")
_DID = ("reopened", "measured", "painted", "postponed", "argued about", "counted", "moved", "repaired", "inherited")
_WHAT = ("the north pier", "its oldest clock", "a tram line", "four bridges", "the winter market", "a library of maps")
_WHEN = ("after a quiet vote", "before the frost", "for the third time", "without a speech", "on a Tuesday", "at noon")
_WHY = (
    "because nobody had asked until now",
    "and the bill was smaller than feared",
    "while the harbour master kept the minutes",
    "which settles a question older than the town hall",
    "so that the last boat can wait for the last train",
    "though the café next door remembers it otherwise",
)

HTML = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ subject }}</title>
<style>body{margin:0;padding:0;background:#f2efe9}a{color:#20476b}img{border:0;display:block}</style></head>
<body><table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#f2efe9">
<tr><td align="center">
<p style="font:400 16px/24px Georgia,serif;margin:24px 0 0 0;color:#22211f">Good morning, {{ email }},</p>
<p style="font:400 16px/24px Georgia,serif;margin:8px 24px;color:#4b4843">{{ opening }}</p>
{% for item in items %}
<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"
 style="background:#fffdf8;margin:16px 0">
<tr><td style="padding:0"><a href="{{ item.url }}" style="text-decoration:none"><img src="{{ item.picture }}"
 width="600" height="240" alt="{{ item.title }}" style="width:100%;max-width:600px;height:auto"></a></td></tr>
<tr><td style="padding:16px 24px 0 24px"><h2 style="font:700 20px/28px Georgia,serif;margin:0;color:#22211f">
<a href="{{ item.url }}" style="color:#22211f;text-decoration:none">{{ item.title }}</a></h2>
<p style="font:400 13px/20px Verdana,sans-serif;margin:4px 0;color:#6d685f">{{ item.source }} &middot;
{{ item.author }}</p>
</td></tr>
<tr><td style="padding:0 24px 16px 24px"><p style="font:400 16px/24px Georgia,serif;margin:8px 0;color:#4b4843">
{{ item.summary }}</p>
<p style="margin:8px 0"><a href="{{ item.url }}" style="display:inline-block;padding:10px 18px;background:#20476b;
color:#fffdf8;border-radius:4px;text-decoration:none;font:700 14px/20px Verdana,sans-serif">Read on</a></p></td></tr>
</table>
{% endfor %}
<p style="font:400 12px/18px Verdana,sans-serif;margin:16px 24px;color:#6d685f">You get this mail because {{ email }}
signed up on {{ signed_up_on }}. <a href="{{ unsubscribe_url }}">Unsubscribe</a><br>1 Example Street, Exampleton</p>
</td></tr></table></body></html>
"""
TEXT = """\
Good morning, {{ email }},

{{ opening }}
{% for item in items %}
* {{ item.title }} ({{ item.source }})
  {{ item.summary[:cut] }}
  {{ item.url }}
{% endfor %}
--
You get this mail because {{ email }} signed up on {{ signed_up_on }}.
Unsubscribe: {{ unsubscribe_url }}
1 Example Street, Exampleton
"""


def content() -> dict[str, Any]:
    """What the templates show to everybody."""
    rng = Random(1847)  # noqa: S311 - a text, not a secret
    return {
        "subject": SUBJECT,
        "opening": " ".join(_sentence(rng) for _ in range(3)),
        "cut": _SUMMARY_IN_TEXT,
        "items": [_item(rng, number) for number in range(1, _ITEMS + 1)],
    }


def _item(rng: Random, number: int) -> dict[str, str]:
    who, did, what = rng.choice(_WHO), rng.choice(_DID), rng.choice(_WHAT)
    words = f"{who} {did} {what}".lower().replace(" ", "-")
    return {
        "title": f"{who} {did} {what}",
        "url": f"https://www.example.org/2026/11/{number:03d}-{words}?utm_source=digest&utm_medium=email",
        "picture": f"https://pictures.example.org/{number:03d}.jpg",
        "source": f"{rng.choice(('North', 'South', 'Old', 'New'))} {rng.choice(('Gazette', 'Courier', 'Almanac'))}",
        "author": f"{rng.choice('ABCDEFGHKLMNPRSTW')}. {rng.choice(('Quill', 'Marsh', 'Okoro', 'Lindqvist', 'Sørli'))}",
        "summary": " ".join(_sentence(rng) for _ in range(3)),
    }


def _sentence(rng: Random) -> str:
    told = " ".join(rng.choice(part) for part in (_WHO, _DID, _WHAT, _WHEN))
    return f"{told} {rng.choice(_WHY)}."


def rendered(values: dict[str, str]) -> tuple[str, str]:
    """HTML and text with ``values`` in the personal places."""
    from jinja2 import Environment

    shown = content() | values
    html = Environment(autoescape=True).from_string(HTML).render(shown)
    return html, Environment(autoescape=False).from_string(TEXT).render(shown)  # noqa: S701 - plain text


def main() -> None:
    """Write the issue for senders that cannot import this."""
    html, text = rendered({name: "{{" + name + "}}" for name in PERSONAL})
    issue = {"html_template": HTML, "text_template": TEXT, "content": content(), "html": html, "text": text}
    Path(sys.argv[1]).write_text(json.dumps(issue), encoding="utf-8")


if __name__ == "__main__":
    main()
