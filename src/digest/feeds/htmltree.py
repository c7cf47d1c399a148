"""A web page as a tree, and where its relative addresses start."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree, html

from digest.text import url as urls

_UNPARSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# lxml's own lookup asks a Python function for the class of every element it hands out: a tenth of the time of reading
# a page. What forms and inputs would get from it, nobody here uses.
_ALL_ALIKE = etree.ElementDefaultClassLookup(
    element=html.HtmlElement,
    comment=html.HtmlComment,
    pi=html.HtmlProcessingInstruction,
    entity=html.HtmlEntity,
)


def parse(page: str) -> Any:
    """The root element of a page, comments left out; None when there is nothing in it."""
    parser = html.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=False, collect_ids=False
    )
    parser.set_element_class_lookup(_ALL_ALIKE)
    try:
        return html.document_fromstring(_UNPARSABLE.sub("", page).encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):  # nothing in it but blanks
        return None


def base_of(tree: Any, url: str) -> str:
    """The page's base address: its first ``base`` with an address, read against ``url``; else ``url``."""
    element = tree.find(".//base[@href]")
    return (urls.absolute(url, element.get("href")) if element is not None else "") or url
