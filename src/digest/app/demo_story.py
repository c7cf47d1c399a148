"""What happened in `digest demo`, in words: for the terminal and for the page with the mails."""

from __future__ import annotations

from dataclasses import dataclass

from digest.app.demo_facts import CAST, Performance
from digest.collect.refresh import SourceReport
from digest.model.delivery import DeliveryState


@dataclass(frozen=True, slots=True)
class Chapter:
    """A few sentences under a heading; each line is a paragraph."""

    title: str
    lines: tuple[str, ...]


def story(played: Performance) -> tuple[Chapter, ...]:
    """The chapters, in order. Every number and name is taken from what was stored or captured."""
    return (
        Chapter("What came in", tuple(_source(played, report) for report in _in_order(played))),
        Chapter("What went out", (_issue(played),)),
        Chapter("Who left", (_departure(played),)),
        Chapter("And again", (_second_run(played),)),
        Chapter("The audit", (_audit(played),)),
    )


def _in_order(played: Performance) -> list[SourceReport]:
    return sorted(played.reports, key=lambda report: report.source_id)


def _source(played: Performance, report: SourceReport) -> str:
    told = f"{report.title}: {_count(report.new, 'article')}"
    if report.error:
        return f"{told}; it could not be read: {report.error}."
    if report.warnings:
        damage = "; ".join(odd.message for odd in report.warnings)
        bare = [
            f"“{article.title}”" for _, article in played.items if _is_bare(article.source_id, report, article.text)
        ]
        told += f", although its feed is broken ({damage})"
        told += f". Of {' and '.join(bare)} only the headline came through" if bare else ""
    for merge in played.merges:
        for title, source in merge.others:
            if source == report.title:
                told += (
                    f". “{title}” is {merge.source}’s “{merge.title}” under another headline: "
                    "the two became one story, told once, with a link to both"
                )
    notes = played.notes
    if notes is not None and notes.source_id == report.source_id:
        told += (
            f" from a plain-text file, “{notes.title}”, without the caption, sign-up box and copyright line around it"
        )
    return f"{told}."


def _is_bare(source_id: int, report: SourceReport, text: str) -> bool:
    return source_id == report.source_id and not text


def _issue(played: Performance) -> str:
    issue = played.result.issue
    sizes = [mail.size_bytes for mail in played.mails] or [0]
    return (
        f"{played.publication.name} No. {issue.number}: {_count(len(played.items), 'story', 'stories')} for "
        f"{_count(len(CAST), 'reader')}, led by “{issue.subject}”. {_count(len(played.mails), 'mail')} went over SMTP "
        f"into the capture mailbox, the largest {max(sizes) / 1000:.0f} kB."
    )


def _departure(played: Performance) -> str:
    left = played.departure
    return (
        f"{left.email}. Opening the link in the mail (GET) answered {left.get_status} and left the subscription "
        f"{left.state_after_get}. The request a mailbox sends when its reader clicks “unsubscribe” (POST, RFC 8058) "
        f"answered {left.post_status}: {left.state_after_post}. The next issue goes to {left.remaining} readers."
    )


def _second_run(played: Performance) -> str:
    again = played.second_run
    if again.refusal is None:
        return f"A second run did not refuse; {_count(again.sent, 'mail')} went out."
    return f"A second run for the same period sent {_count(again.sent, 'mail')}: {again.refusal}."


def _audit(played: Performance) -> str:
    tally = played.audit.tally
    parts = [f"{tally.counts[DeliveryState.SENT]} sent"]
    parts += [f"{count} {state}" for state, count in tally.counts.items() if count and state is not DeliveryState.SENT]
    verdict = "It adds up" if played.audit.is_balanced else f"It does not add up: {'; '.join(played.audit.troubles)}"
    return f"{_count(tally.audience, 'reader')} = {' + '.join(parts)}. {verdict}."


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number or 'no'} {one if number == 1 else many or one + 's'}"
