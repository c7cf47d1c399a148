"""Article pages of our own, as publishers write them."""

from __future__ import annotations


def words(number: int, *, sentences: int = 14) -> str:
    """A text of about 70 characters a sentence that no other number has."""
    return " ".join(
        f"Sentence {place} of story {number} tells what happened in the harbour of town {number}."
        for place in range(1, sentences + 1)
    )


def article_page(number: int = 1, *, title: str = "", text: str = "", head: str = "") -> bytes:
    """A page with navigation around an article."""
    title = title or f"Story number {number}"
    paragraphs = "".join(f"<p>{part}.</p>" for part in (text or words(number)).rstrip(".").split(". "))
    return (
        f'<!doctype html><html lang="en"><head><title>{title} | Example News</title>'
        f'<meta property="og:title" content="{title}"><meta property="og:site_name" content="Example News">{head}'
        f'</head><body><nav><a href="/">Home</a> <a href="/sport">Sport</a></nav>'
        f"<article><h1>{title}</h1>{paragraphs}</article>"
        f'<footer><a href="/terms">Terms</a></footer></body></html>'
    ).encode()
