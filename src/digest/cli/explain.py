"""`digest explain ADDRESS [ISSUE]`: why somebody got an issue, or did not."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from digest.audience import explain as explaining
from digest.audience.explain import Explanation
from digest.cli import output
from digest.cli.output import AsJson
from digest.cli.state import now, opened


def explain(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="The reader's e-mail address.", show_default=False)],
    issue: Annotated[
        int | None, typer.Argument(help="Id as `digest issue list` shows it; none: the latest of each publication.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell why somebody got an issue or did not, from what is on record."""
    with opened(context) as container:
        found = explaining.explain(container.store, container.keyring, email=address, issue_id=issue, now=now())
    if as_json:
        output.print_json({"items": [_document(one) for one in found]})
        return
    for one in found:
        number = f" no. {one.issue.number}" if one.issue.number else ""
        output.say(
            f"{one.publication_slug}{number}, {one.issue.cadence} of {one.issue.period_start}: {_WORDS[one.answer]}"
        )
        for sentence in one.sentences:
            output.say(f"  {sentence}")


_WORDS = {
    explaining.Answer.GOT_IT: "got it",
    explaining.Answer.DID_NOT: "did not get it",
    explaining.Answer.WAITS: "is to get it, and waits",
    explaining.Answer.IN_DOUBT: "nobody knows",
    explaining.Answer.WILL: "will get it",
    explaining.Answer.WILL_NOT: "will not get it",
}


def _document(one: Explanation) -> dict[str, Any]:
    return {
        "issue": str(one.issue.id),
        "publication": one.publication_slug,
        "period": one.issue.period_start,
        "cadence": one.issue.cadence,
        "issue_state": one.issue.state,
        "answer": one.answer,
        "sentences": one.sentences,
        "subscription": None
        if one.subscription is None
        else {
            "state": one.subscription.state,
            "cadence": one.subscription.cadence,
            "digest": one.subscription.digest,
            "alerts": one.subscription.alerts,
            "topics": one.subscription.topics,
        },
        "delivery": one.delivery,
        "suppressions": one.suppressions,
    }
