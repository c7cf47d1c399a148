"""Article pages of our own writing."""

from __future__ import annotations

SENTENCES = (
    "The city council voted on Tuesday to reopen the old harbour baths next spring, after nine years of closure.",
    "Repairs to the roof and to the seawater pumps will cost two million, most of it from the regional fund.",
    "Swimmers' clubs had gathered eleven thousand signatures in support of the plan since the winter.",
)
PAGE = (
    """<!doctype html><html lang="en"><head><title>Baths to reopen | Example News</title>
<meta property="og:title" content="Baths to reopen"><meta property="og:site_name" content="Example News">
<link rel="canonical" href="https://news.example.com/baths">{head}</head><body><nav><a href="/">Home</a></nav>
<article><h1>Baths to reopen</h1><ul><li>by: {author}</li><li>08/20/2025</li></ul>"""
    + "".join(f"<p>{sentence}</p>" for sentence in SENTENCES)
    + """</article><footer>© 2025 Example News. All rights reserved.</footer></body></html>"""
)
