"""`digest issue`: editions, their proof, and an operator's hand on them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from digest.app import controls, editions
from digest.app.clock import system_clock
from digest.app.container import Container
from digest.app.controls import Waiting
from digest.app.notices import send_test
from digest.cli import editing, explaining, output
from digest.cli.output import AsJson, Yes
from digest.cli.state import opened
from digest.cli.watch import watch
from digest.model.article import Article
from digest.model.delivery import DeliveryState
from digest.model.errors import BadInput
from digest.model.issue import Issue, IssueItem, IssueState
from digest.model.notice import NoticeStatus
from digest.store import articles, issues, publications, standing
from digest.web import server

app = typer.Typer(no_args_is_help=True, help="Look at issues, prove them, hold them.")

app.command()(watch)
app.command()(editing.approve)
app.command("intro")(editing.introduce)
app.command()(editing.teaser)
app.command()(editing.reorder)
app.command()(editing.recall)

IssueId = Annotated[int, typer.Argument(metavar="ISSUE", help="Id as `digest issue list` shows it.")]


@app.command("list")
def list_(
    context: typer.Context,
    publication: Annotated[str | None, typer.Option(help="Only this publication's.")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List issues, newest first."""
    with opened(context) as container, container.store.read() as tx:
        key = publications.get(tx, publication).id if publication else None
        found = issues.list_recent(tx, publication_id=key, limit=limit)
        on_doubt = container.settings.delivery.on_doubt
        waits = {item.id: controls.waiting(tx, item, on_doubt=on_doubt, now=tx.now()) for item in found}
    if as_json:
        output.print_json({"items": [{**output.jsonable(item), **_waiting(waits[item.id])} for item in found]})
        return
    output.emit_list(
        found,
        as_json=False,
        columns={
            "ID": lambda item: item.id,
            "PUBLICATION": lambda item: item.publication_slug,
            "PERIOD": lambda item: f"{item.cadence} {item.period_start}",
            "No.": lambda item: item.number,
            "STATE": lambda item: f"{item.state}{f' ({item.reason})' if item.reason else ''}",
            "READERS": lambda item: item.audience,
            "SUBJECT": lambda item: item.subject,
            "WAITS FOR": lambda item: _wait_line(waits[item.id]),
        },
        empty="No issues yet. `digest run PUBLICATION` makes the first.",
    )


@app.command()
def show(context: typer.Context, issue: IssueId, *, as_json: AsJson = False) -> None:
    """Show an issue with its items."""
    with opened(context) as container, container.store.read() as tx:
        found = issues.get(tx, issue)
        items = issues.items(tx, issue)
        titles = {item.id: item for item in articles.by_ids(tx, [item.article_id for item in items])}
        tally = standing.tally(tx, issue)
        waits = controls.waiting(tx, found, on_doubt=container.settings.delivery.on_doubt, now=tx.now())
    document = {
        **output.jsonable(found),
        **_waiting(waits),
        "items": [
            {**output.jsonable(item), "title": titles[item.article_id].title, "url": titles[item.article_id].url}
            for item in items
        ],
        "counts": {str(state): count for state, count in tally.counts.items()},
    }

    def human() -> None:
        _headline(found)
        if waits:
            output.say(f"  waits: {_wait_line(waits)}")
        for item in items:
            article = titles[item.article_id]
            output.say(_item_line(item, article))
        _counts(tally.counts)

    output.emit(document, as_json=as_json, human=human)


@app.command()
def build(
    context: typer.Context,
    wanted: Annotated[
        str, typer.Argument(metavar="PUBLICATION|ISSUE", help="A publication's slug: its next issue; or an issue's id.")
    ],
    *,
    explain: Annotated[bool, typer.Option("--explain", help="Every candidate, and why it got its verdict.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what an issue would carry if it were curated now, or why it carries what it does. Changes nothing."""
    with opened(context) as container:
        built = editions.build(container, wanted, now=system_clock())
    output.emit(explaining.document(built), as_json=as_json, human=lambda: explaining.tell(built, explain=explain))


@app.command()
def audit(context: typer.Context, issue: IssueId, *, as_json: AsJson = False) -> int:
    """Prove an issue: every reader of its frozen audience is accounted for. Exits 1 when it does not add up."""
    with opened(context) as container:
        proof = editions.audit(container.store, issue)

    def human() -> None:
        _headline(proof.issue)
        _counts(proof.tally.counts)
        for reason, count in proof.tally.failures.items():
            output.say(f"      {count:>7}  {reason}")
        verdict = "adds up" if proof.is_balanced else "DOES NOT ADD UP"
        output.say(f"  audience {proof.tally.audience}: {verdict}")
        if proof.settled:
            output.say(f"  {proof.settled} of the sent settled by an operator")
        for trouble in proof.troubles:
            output.say(f"  ! {trouble}")
        if proof.in_doubt:
            output.say("  in doubt (the relay may or may not have taken them):")
            for address in proof.in_doubt:
                output.say(f"      {address}")

    output.emit(_proof(proof), as_json=as_json, human=human)
    return 0 if proof.is_balanced else 1


def _proof(proof: editions.Audit) -> dict[str, Any]:
    return {
        "issue": str(proof.issue.id),
        "state": proof.issue.state,
        "audience": proof.tally.audience,
        "counts": {str(state): count for state, count in proof.tally.counts.items()},
        "balanced": proof.is_balanced,
        "failures": [{"reason": reason, "count": count} for reason, count in proof.tally.failures.items()],
        "in_doubt": list(proof.in_doubt),
        "troubles": list(proof.troubles),
    }


@app.command()
def pause(context: typer.Context, issue: IssueId) -> None:
    """Hold a sending issue: every worker stops within one sub-batch."""
    with opened(context) as container:
        editions.move(container.store, issue, expected=[IssueState.SENDING], to=IssueState.PAUSED)
    output.say(f"Paused issue {issue}.")


@app.command()
def resume(context: typer.Context, issue: IssueId) -> None:
    """Go on with a paused issue; `digest serve`, `tick` or `run` sends the rest. It has the full time again."""
    with opened(context) as container:
        controls.resume(container.store, issue, expire_after=_expire_after(container))
    output.say(f"Resumed issue {issue}.")


@app.command()
def retry(
    context: typer.Context,
    issue: IssueId,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Try its failed deliveries again.")] = False,
    dead_too: Annotated[
        bool, typer.Option("--all", help="With --failed: also those whose address the relay called dead.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Start a failed issue again, or with --failed its failed deliveries. The clock or `digest run` sends them."""
    if dead_too and not failed:
        raise BadInput("--all says which failed deliveries are meant", hint="write --failed --all")
    if not failed:
        with opened(context) as container:
            editions.move(container.store, issue, expected=[IssueState.FAILED], to=IssueState.PLANNED)
        output.say(f"Restarted issue {issue}.")
        return
    output.confirm(f"Try the failed deliveries of issue {issue} again?", yes=yes)
    with opened(context) as container:
        again, now = controls.retry_failed(
            container.store, issue, dead_too=dead_too, expire_after=_expire_after(container)
        )
    output.say(
        f"{output.count(again, 'delivery', 'deliveries')} of issue {issue} to be tried again; it is {now.state}."
    )


@app.command()
def settle(
    context: typer.Context,
    issue: IssueId,
    addresses: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS]…", help="These readers only; without any, all in doubt.")
    ] = None,
    *,
    sent: Annotated[bool, typer.Option("--sent", help="They arrived, as you know from the relay's log.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Send them once more, the very same bytes.")] = False,
    yes: Yes = False,
) -> None:
    """Decide by hand what became of deliveries in doubt (`digest issue audit` names them)."""
    if sent == resend:
        raise BadInput("say either --sent or --resend", hint="the relay's log tells which of them arrived")
    whom = ", ".join(addresses) if addresses else "everybody in doubt"
    output.confirm(f"{'Count as sent' if sent else 'Send once more'} issue {issue} to {whom}?", yes=yes)
    with opened(context) as container:
        settled, now = controls.settle(
            container.store,
            issue,
            arrived=sent,
            addresses=addresses or [],
            expire_after=_expire_after(container),
        )
    done = "now sent by your word" if sent else "to be sent once more"
    output.say(f"{output.count(settled, 'delivery', 'deliveries')} of issue {issue} {done}; it is {now.state}.")


@app.command()
def close(context: typer.Context, issue: IssueId, *, yes: Yes = False) -> None:
    """Close an issue that is being sent or paused: who has not got it by now will not get it."""
    output.confirm(f"Close issue {issue}? What still waits will never be sent.", yes=yes)
    with opened(context) as container:
        closed = controls.close(container.store, issue)
    output.say(f"Closed issue {issue}; {output.count(closed.given_up, 'delivery', 'deliveries')} given up.")
    if closed.on_wire:
        output.say(f"  {closed.on_wire} on the wire: the issue is sent when their replies are in.")


@app.command()
def cancel(context: typer.Context, issue: IssueId, *, yes: Yes = False) -> None:
    """Cancel an issue: nothing more of it goes out, its articles roll over when none of it was sent."""
    output.confirm(f"Cancel issue {issue}? What is not on the wire will never be sent.", yes=yes)
    with opened(context) as container:
        skipped = editions.cancel(container.store, issue)
    output.say(f"Cancelled issue {issue}; {skipped} deliveries skipped.")


def _expire_after(container: Container) -> timedelta:
    return timedelta(seconds=container.settings.delivery.expire_after_s)


@app.command("test")
def send_to(
    context: typer.Context,
    issue: IssueId,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where to send it; need not be a reader's.")],
    *,
    text: Annotated[bool, typer.Option("--text", help="As readers of plain text get it.")] = False,
    as_json: AsJson = False,
) -> int:
    """Send a composed issue to one address to look at it, through the relay, before all bulk. Counts for nothing."""
    with opened(context) as container:
        ended = asyncio.run(_send_test(container, issue, address, as_text=text))
    reply = " ".join(str(part) for part in (ended.reply_code, ended.reply_text) if part)

    def human() -> None:
        again = f"; tried again at {ended.next_attempt_at:%H:%M:%S} UTC" if ended.next_attempt_at else ""
        output.say(f"Issue {issue} to {address}: {ended.state}{f' ({reply})' if reply else ''}{again}.")

    output.emit(ended, as_json=as_json, human=human)
    return 0 if ended.state is DeliveryState.SENT else 1


async def _send_test(container: Container, issue: int, address: str, *, as_text: bool) -> NoticeStatus:
    with server.stop_signal() as stopped:
        return await send_test(container, issue, address, as_text=as_text, stop=stopped)


@app.command()
def export(
    context: typer.Context,
    issue: IssueId,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to; made when it is new.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Write an issue as html, txt, eml and json files, with neutral values where a reader's would stand."""
    with opened(context) as container:
        written = editions.export(container, issue, folder)
    output.emit_list(
        [{"path": path} for path in written],
        as_json=as_json,
        columns={"FILE": lambda item: item["path"]},
        empty="Nothing to write.",
    )


def _item_line(item: IssueItem, article: Article) -> str:
    return f"  {item.position + 1:>3}  {item.role:<5}  {item.score:5.2f}  {article.title}  ({article.source_title})"


def _headline(issue: Issue) -> None:
    number = f" No. {issue.number}" if issue.number else ""
    reason = f" ({issue.reason})" if issue.reason else ""
    name = f"{issue.publication_slug}{number}, {issue.cadence} of {issue.period_start}"
    output.say(f"issue {issue.id}: {name}: {issue.state}{reason}")
    if issue.subject:
        output.say(f"  subject: {issue.subject}")
    output.say(f"  due {issue.due_at.astimezone(ZoneInfo('UTC')):%Y-%m-%d %H:%M} UTC")


def _waiting(waits: Waiting | None) -> dict[str, Any]:
    return {"waiting": waits.reason if waits else None, "next_try_at": waits.next_try_at if waits else None}


def _wait_line(waits: Waiting | None) -> str:
    if waits is None:
        return ""
    return waits.reason + (f"; next try {waits.next_try_at:%Y-%m-%d %H:%M:%S} UTC" if waits.next_try_at else "")


def _counts(counts: dict[Any, int]) -> None:
    for state, count in counts.items():
        if count:
            output.say(f"  {count:>9}  {state}")
