from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.smtp.protocol import Fault, Finished, Pipeline, Transaction
from digest.smtp.replies import Phase, SendResult, Verdict


def a_mail(name: str = "a") -> Transaction:
    return Transaction(b"MAIL FROM:<>\r\n", b"RCPT TO:<%b>\r\n" % name.encode(), (b"body %b\r\n.\r\n" % name.encode(),))


def envelope(name: str = "a") -> bytes:
    return b"MAIL FROM:<>\r\nRCPT TO:<%b>\r\nDATA\r\n" % name.encode()


def told(finished: list[Finished]) -> list[tuple[str, Verdict, Phase]]:
    return [(done.rcpt[9:-3].decode(), result.verdict, result.phase) for done, result in finished]


def pipeline_with(*names: str) -> Pipeline:
    pipeline = Pipeline()
    for name in names:
        pipeline.submit(a_mail(name))
    return pipeline


def test_the_next_mail_rides_behind_the_dot_of_the_one_before():
    pipeline = pipeline_with("a", "b", "c")

    assert pipeline.to_write() == envelope("a")
    assert pipeline.receive(b"250 ok\r\n250 ok\r\n354 go\r\n") == []
    assert pipeline.to_write() == b"body a\r\n.\r\nRSET\r\n" + envelope("b")
    replies = b"250 taken\r\n250 reset\r\n250 ok\r\n250 ok\r\n"
    assert told(pipeline.receive(replies)) == [("a", Verdict.ACCEPTED, Phase.DOT)]
    assert pipeline.to_write() == b""
    assert pipeline.receive(b"354 go\r\n") == []
    assert pipeline.to_write() == b"body b\r\n.\r\nRSET\r\n" + envelope("c")


def test_a_mail_that_comes_late_is_begun_while_another_waits_at_its_dot():
    pipeline = pipeline_with("a")
    pipeline.to_write()
    pipeline.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    pipeline.to_write()
    pipeline.submit(a_mail("b"))
    pipeline.submit(a_mail("c"))

    assert pipeline.to_write() == b"RSET\r\n" + envelope("b")


def test_a_refused_recipient_leaves_the_transaction_open_so_reset_comes_first():
    pipeline = pipeline_with("a", "b")
    pipeline.to_write()

    assert pipeline.receive(b"250 ok\r\n550 5.1.1 no\r\n") == []
    assert told(pipeline.receive(b"503 RCPT first\r\n")) == [("a", Verdict.REJECTED, Phase.RCPT)]
    assert pipeline.to_write() == b"RSET\r\n" + envelope("b")


def test_only_the_dot_follows_a_354_although_the_recipient_was_refused():
    pipeline = pipeline_with("a", "b")
    pipeline.to_write()
    pipeline.receive(b"250 ok\r\n550 5.1.1 no\r\n354 go\r\n")

    assert pipeline.to_write() == b".\r\nRSET\r\n" + envelope("b")
    assert told(pipeline.receive(b"250 nothing taken\r\n")) == [("a", Verdict.REJECTED, Phase.RCPT)]
    assert pipeline.receive(b"250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n") == []
    assert pipeline.to_write() == b"body b\r\n.\r\n"


@pytest.mark.parametrize(
    ("replies", "written_body", "expected"),
    [
        (b"", False, (Verdict.LOST, Phase.MAIL)),
        (b"250 ok\r\n", False, (Verdict.LOST, Phase.RCPT)),
        (b"250 ok\r\n250 ok\r\n", False, (Verdict.LOST, Phase.DATA)),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", False, (Verdict.LOST, Phase.DATA)),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", True, (Verdict.DOUBT, Phase.DOT)),
        (b"250 ok\r\n550 5.1.1 no\r\n", False, (Verdict.REJECTED, Phase.RCPT)),
    ],
)
@pytest.mark.parametrize("ending", ["eof", "timeout", "ours"])
def test_the_end_of_a_connection_is_doubt_only_for_a_dot_that_was_written(
    replies: bytes,
    written_body: bool,  # noqa: FBT001 - a table of cases
    expected: tuple[Verdict, Phase],
    ending: str,
):
    pipeline = pipeline_with("a", "b")
    pipeline.to_write()
    pipeline.receive(replies)
    if written_body:
        pipeline.to_write()
    end = {"eof": pipeline.lose, "timeout": pipeline.time_out, "ours": pipeline.give_up}[ending]

    assert told(end()) == [("a", *expected), ("b", Verdict.LOST, Phase.MAIL)]
    assert pipeline.is_over
    assert pipeline.to_write() == b""
    assert pipeline.lose() == []


def test_421_at_the_dot_is_definite_and_loses_the_mail_behind_it():
    pipeline = pipeline_with("a", "b")
    pipeline.to_write()
    pipeline.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    pipeline.to_write()
    finished = pipeline.receive(b"421 4.3.2 closing\r\n250 never read\r\n")

    assert told(finished) == [("a", Verdict.RELAY_BUSY, Phase.DOT), ("b", Verdict.LOST, Phase.MAIL)]
    assert pipeline.fault is Fault.NONE


def test_421_out_of_the_blue_ends_an_idle_conversation_without_a_fault():
    pipeline = Pipeline()

    assert pipeline.receive(b"421 idle for too long\r\n") == []
    assert pipeline.is_over
    assert pipeline.fault is Fault.NONE


@pytest.mark.parametrize("reply", [b"what\r\n", b"\r\n", b"354 go\r\n", b"503 5.5.1 improper\r\n", b"99 x\r\n"])
def test_a_reply_that_fits_no_command_is_a_violation_and_the_mail_certainly_not_taken(reply: bytes):
    pipeline = pipeline_with("a")
    pipeline.to_write()

    assert told(pipeline.receive(reply)) == [("a", Verdict.LOST, Phase.MAIL)]
    assert pipeline.fault is Fault.VIOLATION


@pytest.mark.parametrize("noise", [b"250" + b"x" * 40_000, b"250-x\r\n" * 9_000])
def test_a_reply_without_end_is_a_violation(noise: bytes):
    pipeline = pipeline_with("a")
    pipeline.to_write()

    assert told(pipeline.receive(noise)) == [("a", Verdict.LOST, Phase.MAIL)]
    assert pipeline.fault is Fault.VIOLATION


def test_a_reply_nobody_asked_for_is_a_violation():
    pipeline = Pipeline()
    pipeline.receive(b"250 hello\r\n")

    assert pipeline.fault is Fault.VIOLATION


def test_a_nonsense_reply_to_the_dot_is_doubt():
    pipeline = pipeline_with("a")
    pipeline.to_write()
    pipeline.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    pipeline.to_write()

    assert told(pipeline.receive(b"354 go on\r\n")) == [("a", Verdict.DOUBT, Phase.DOT)]
    assert pipeline.fault is Fault.VIOLATION


def test_a_relay_that_never_answered_behind_a_dot_is_suspect_and_one_that_did_is_not():
    suspect, proven = pipeline_with("a", "b"), pipeline_with("a", "b")
    for pipeline in (suspect, proven):
        pipeline.to_write()
        pipeline.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
        pipeline.to_write()
    proven.receive(b"250 taken\r\n250 ok\r\n")
    for pipeline in (suspect, proven):
        pipeline.lose()

    assert (suspect.fault, proven.fault) == (Fault.SUSPECT, Fault.NONE)


def test_a_reply_of_several_lines_is_one_reply_with_all_its_words():
    pipeline = pipeline_with("a")
    pipeline.to_write()
    finished = pipeline.receive(b"250-hello\r\n250 ok\r\n550-5.1.1 no\r\n550 such user\r\n503 first\r\n")

    assert finished[0][1].reply is not None
    assert finished[0][1].reply.text == "5.1.1 no\nsuch user"


def test_a_mail_given_up_in_the_line_is_never_said():
    pipeline = pipeline_with("a")
    pipeline.to_write()
    waiting = a_mail("b")
    pipeline.submit(waiting)

    assert pipeline.abandon(waiting) == []
    pipeline.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert pipeline.to_write() == b"body a\r\n.\r\n"


def test_a_mail_given_up_behind_a_dot_waits_for_the_reply_to_that_dot():
    pipeline = pipeline_with("a")
    behind = a_mail("b")
    pipeline.submit(behind)
    pipeline.to_write()
    pipeline.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    pipeline.to_write()

    assert pipeline.abandon(behind) == []
    assert not pipeline.is_over
    assert told(pipeline.receive(b"250 taken\r\n")) == [
        ("a", Verdict.ACCEPTED, Phase.DOT),
        ("b", Verdict.LOST, Phase.MAIL),
    ]
    assert pipeline.is_over


def test_quit_is_the_last_word():
    pipeline = pipeline_with("a")
    pipeline.to_write()
    pipeline.leave()
    pipeline.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")

    assert pipeline.to_write() == b"body a\r\n.\r\n"
    pipeline.receive(b"250 taken\r\n")
    assert pipeline.to_write() == b"QUIT\r\n"
    pipeline.receive(b"221 bye\r\n")
    assert pipeline.is_over
    with pytest.raises(ValueError, match="over"):
        pipeline.submit(a_mail())


_NAMES = "abcdef"
_LINES = st.sampled_from(
    (
        *("250 ok", "250-more\r\n250 ok", "354 go", "221 bye", "what", ""),
        *("421 bye", "451 4.7.1 later", "452 4.3.1 full", "503 5.5.1 order", "550 5.1.1 no", "554 5.7.1 spam"),
    )
)


@given(
    replies=st.lists(_LINES, max_size=24).map(lambda lines: "".join(f"{line}\r\n" for line in lines).encode()),
    cuts=st.lists(st.integers(1, 40), max_size=40),
    count=st.integers(1, 6),
    given_up=st.sampled_from(["", *_NAMES]),
    when=st.integers(0, 10),
    is_slow=st.booleans(),
)
def test_whatever_a_relay_says_every_mail_ends_once_and_doubt_is_exactly_an_unanswered_dot(
    *, replies: bytes, cuts: list[int], count: int, given_up: str, when: int, is_slow: bool
):
    pipeline, mails = Pipeline(), {name: a_mail(name) for name in _NAMES[:count]}
    for mail in mails.values():
        pipeline.submit(mail)
    written, results, withdrawn = b"", list[Finished](), set[str]()
    for turn, size in enumerate([*cuts, len(replies)]):
        if not (is_slow and turn % 2):
            written += pipeline.to_write()
        results += pipeline.receive(replies[:size])
        replies = replies[size:]
        if turn == when and given_up in mails and not any(done is mails[given_up] for done, _ in results):
            before = len(results)
            results += pipeline.abandon(mails[given_up])
            if envelope(given_up) not in written and before == len(results):
                withdrawn.add(given_up)
    results += pipeline.lose()
    ends = {done.rcpt[9:-3].decode(): result for done, result in results}

    assert sorted([*(done.rcpt[9:-3].decode() for done, _ in results), *withdrawn]) == sorted(mails)
    for name, result in ends.items():
        if f"body {name}\r\n".encode() not in written:
            assert result.verdict not in {Verdict.ACCEPTED, Verdict.DOUBT}
            assert result.phase is not Phase.DOT
        else:
            assert result.phase is Phase.DOT
            assert result.verdict is not Verdict.LOST


@dataclass
class RelayModel:
    """An obedient relay: reads commands in order and answers each; ``plan``: name → the replies that are not good."""

    plan: dict[str, dict[str, str]]
    buffer: bytes = b""
    name: str | None = None
    has_sender: bool = False
    is_reading: bool = False
    taken: list[str] = field(default_factory=list)

    def hear(self, data: bytes) -> bytes:
        self.buffer += data
        said = ""
        while (at := self.buffer.find(b".\r\n" if self.is_reading else b"\r\n")) >= 0:
            end = at + (3 if self.is_reading else 2)
            line, self.buffer = self.buffer[:end].decode(), self.buffer[end:]
            said += (self._dot(line) if self.is_reading else self._command(line)) + "\r\n"
        return said.encode()

    def _command(self, line: str) -> str:
        if line == "RSET\r\n":
            self.has_sender, self.name = False, None
            return "250 ok"
        if line.startswith("MAIL"):
            if self.has_sender:
                return "503 5.5.1 nested MAIL"
            self.has_sender = True
            return "250 ok"
        if line.startswith("RCPT"):
            name = line[9:-3]
            reply = self.plan[name].get("rcpt", "250-fine\r\n250 ok")
            self.name = name if reply.startswith("250") else None
            return reply
        if self.name is None and not any(planned.get("anyway") for planned in self.plan.values()):
            return "503 5.5.1 no recipient"
        reply = self.plan[self.name].get("data", "354 go") if self.name else "354 go"
        self.is_reading = reply.startswith("354")
        return reply

    def _dot(self, body: str) -> str:
        name, self.name, self.has_sender, self.is_reading = self.name, None, False, False
        if name is None:
            assert body == ".\r\n"
            return "554 5.5.1 no recipient"
        assert body == f"body {name}\r\n.\r\n"
        reply = self.plan[name].get("dot", "250 taken")
        if reply.startswith("250"):
            self.taken.append(name)
        return reply


_PLANS = st.sampled_from(
    (
        *({}, {}, {"rcpt": "550 5.1.1 no"}, {"rcpt": "451 4.7.1 later"}, {"rcpt": "550 5.1.1 no", "anyway": "yes"}),
        *({"data": "550 5.7.1 no"}, {"dot": "554 5.7.1 spam"}, {"dot": "451 4.3.0 later"}),
    )
)


def converse(plans: list[dict[str, str]], cuts: list[int], *, end_after: int) -> tuple[RelayModel, list[Finished]]:
    """Let a pipeline and the model talk, in pieces, until all is said or the wire is cut after so many turns."""
    relay = RelayModel(dict(zip(_NAMES, plans, strict=False)))
    pipeline = pipeline_with(*relay.plan)
    results, to_relay, to_us, turn = list[Finished](), b"", b"", 0
    while turn < end_after:
        to_relay += pipeline.to_write()
        if not to_relay and not to_us:
            break
        size = cuts[turn % len(cuts)]
        to_us += relay.hear(to_relay[:size])
        to_relay = to_relay[size:]
        results += pipeline.receive(to_us[:size])
        to_us = to_us[size:]
        turn += 1
    return relay, results + pipeline.lose()


@given(plans=st.lists(_PLANS, min_size=1, max_size=6), cuts=st.lists(st.integers(1, 90), min_size=1, max_size=8))
def test_each_mail_gets_its_own_reply_however_the_bytes_are_cut(plans: list[dict[str, str]], cuts: list[int]):
    relay, results = converse(plans, cuts, end_after=5_000)
    expected = {
        name: next((reply for key, reply in plan.items() if key != "anyway"), "250 taken")
        for name, plan in relay.plan.items()
    }

    assert {done.rcpt[9:-3].decode(): str(result.reply) for done, result in results} == expected
    assert relay.taken == [name for name, reply in expected.items() if reply == "250 taken"]


@given(
    plans=st.lists(_PLANS, min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 90), min_size=1, max_size=8),
    end_after=st.integers(0, 80),
)
def test_wherever_the_wire_is_cut_what_was_taken_is_accepted_or_in_doubt(
    plans: list[dict[str, str]], cuts: list[int], end_after: int
):
    relay, results = converse(plans, cuts, end_after=end_after)
    ends: dict[str, SendResult] = {done.rcpt[9:-3].decode(): result for done, result in results}

    assert len(results) == len(ends) == len(relay.plan)
    assert {name for name, end in ends.items() if end.verdict is Verdict.ACCEPTED} <= set(relay.taken)
    assert {name for name in relay.taken if ends[name].verdict not in {Verdict.ACCEPTED, Verdict.DOUBT}} == set()
    assert sum(end.verdict is Verdict.DOUBT for end in ends.values()) <= 1
