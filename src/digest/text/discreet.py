"""Text from outside without what identifies a reader: addresses, and the tokens in our links.

Rules: for what is logged, shown or kept beside its subject. A relay's reply often quotes the address it is about,
sometimes only the part before the @. Pure, and cheap where there is nothing to hide.
"""

from __future__ import annotations

import re

#: What stands in their place.
ADDRESS, TOKEN = "[address]", "[token]"

#: Anything on both sides of an @ that is no delimiter (RFC 5322 §3.2.3), so that quoted, encoded and internationalised
#: addresses fall under it, and a password in a URL too. A handle as in /@name has nothing before its @.
_ADDRESS = re.compile(r"""(?:"[^"]{1,64}"|[^\s<>()\[\]{}",;:@/\\|]+)@[^\s<>()"',;:@/\\|]+""")
#: The reader's token in a link of ours: /u/…, /p/…, /c/… (interfaces: Mail).
_LINK = re.compile(r"(/[upc]/)[A-Za-z0-9_.~-]{8,}")
#: A shorter local part stands in too many words.
_SHORTEST_NAME = 3


def discreet(text: str, about: str = "") -> str:
    """The text with every address and token masked; of the address it is ``about`` also the local part by itself."""
    if "@" in text:
        text = _ADDRESS.sub(ADDRESS, text)
    if "/" in text:
        text = _LINK.sub(rf"\1{TOKEN}", text)
    name = about.rpartition("@")[0]
    if len(name) >= _SHORTEST_NAME and name.casefold() in text.casefold():
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", ADDRESS, text, flags=re.IGNORECASE)
    return text
