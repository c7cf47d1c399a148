"""The pipelined conversation with a relay (RFC 2920), without any input or output.

Rules of this file: transactions and received bytes go in, bytes to write and results come out. Replies are matched
to commands in order, one by one. At most two transactions are begun: one that waits for the reply to its final dot,
and the next, whose commands were written behind that dot. A body is written only after its own 354.

What is certain: a message counts as written from `Pipeline.to_write` on. If the conversation ends by whatever means,
a message whose final dot was written and not answered is DOUBT (RFC 1047), every other one is LOST: not accepted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from digest.smtp.replies import Phase, Reply, SendResult, Verdict, classify

_MAX_REPLY_BYTES = 32_768
_NOT_UNDERSTOOD = frozenset({500, 502, 503, 504})


@dataclass(slots=True, eq=False)
class Transaction:
    """One mail to one recipient, as bytes: both commands with their line ends, and the message up to its final dot."""

    mail: bytes
    rcpt: bytes
    body: bytes
    refusal: SendResult | None = None
    is_behind_a_dot: bool = False
    is_abandoned: bool = False


Finished = tuple[Transaction, SendResult]


class Fault(Enum):
    """Whether pipelining can be trusted here.

    ``SUSPECT``: the connection died before pipelining had ever worked on it. ``VIOLATION``: the replies do not fit
    the commands; what is LOST by that is worth another try without pipelining.
    """

    NONE = auto()
    SUSPECT = auto()
    VIOLATION = auto()


class _Step(Enum):
    """A command whose reply is awaited."""

    RSET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    DOT = auto()
    QUIT = auto()


class _Answer(Enum):
    OK = auto()
    NO = auto()
    BUSY = auto()
    ODD = auto()


class _Act(Enum):
    """What a reply makes us do. ``OVER`` is done, too, but the relay still holds a transaction open: RSET is due."""

    NEXT = auto()
    REFUSE = auto()
    BODY = auto()
    DONE = auto()
    OVER = auto()
    END = auto()
    DESYNC = auto()


_PHASES = {
    _Step.RSET: Phase.MAIL,
    _Step.MAIL: Phase.MAIL,
    _Step.RCPT: Phase.RCPT,
    _Step.DATA: Phase.DATA,
    _Step.DOT: Phase.DOT,
    _Step.QUIT: Phase.MAIL,
}

_FRESH, _REFUSED = False, True  # has this transaction been refused by an earlier reply?
_TABLE: dict[tuple[_Step, bool, _Answer], _Act] = {
    **{(step, refused, _Answer.BUSY): _Act.END for step in _Step for refused in (_FRESH, _REFUSED)},
    **{(step, refused, _Answer.ODD): _Act.DESYNC for step in _Step for refused in (_FRESH, _REFUSED)},
    (_Step.RSET, _FRESH, _Answer.OK): _Act.NEXT,
    (_Step.RSET, _FRESH, _Answer.NO): _Act.END,
    (_Step.MAIL, _FRESH, _Answer.OK): _Act.NEXT,
    (_Step.MAIL, _FRESH, _Answer.NO): _Act.REFUSE,
    (_Step.RCPT, _FRESH, _Answer.OK): _Act.NEXT,
    (_Step.RCPT, _FRESH, _Answer.NO): _Act.REFUSE,
    (_Step.RCPT, _REFUSED, _Answer.OK): _Act.NEXT,
    (_Step.RCPT, _REFUSED, _Answer.NO): _Act.NEXT,
    (_Step.DATA, _FRESH, _Answer.OK): _Act.BODY,
    (_Step.DATA, _FRESH, _Answer.NO): _Act.OVER,
    (_Step.DATA, _REFUSED, _Answer.OK): _Act.BODY,  # 354 although refused: the dot alone follows, RFC 2920 §3.1
    (_Step.DATA, _REFUSED, _Answer.NO): _Act.OVER,
    (_Step.DOT, _FRESH, _Answer.OK): _Act.DONE,
    (_Step.DOT, _FRESH, _Answer.NO): _Act.DONE,  # the dot ends a transaction either way, RFC 5321 §4.1.1.4
    (_Step.DOT, _REFUSED, _Answer.OK): _Act.DONE,
    (_Step.DOT, _REFUSED, _Answer.NO): _Act.DONE,
    (_Step.QUIT, _FRESH, _Answer.OK): _Act.END,
    (_Step.QUIT, _FRESH, _Answer.NO): _Act.END,
}


@dataclass(frozen=True, slots=True)
class _Awaited:
    step: _Step
    transaction: Transaction | None


class Pipeline:
    """The state of one conversation, from the logged-in connection on. Every `submit` ends with exactly one result."""

    def __init__(self) -> None:
        self.is_over = False
        self.fault = Fault.NONE
        self._queue: deque[Transaction] = deque()
        self._begun: deque[Transaction] = deque()
        self._awaited: deque[_Awaited] = deque()
        self._ready: Transaction | None = None  # its 354 was read, its body is not written yet
        self._has_worked = False
        self._must_reset = False
        self._is_leaving = False
        self._buffer = b""
        self._lines: list[bytes] = []
        self._size = 0
        self.reply_count = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is awaited and nothing is to be sent."""
        return not (self._queue or self._begun or self._awaited)

    @property
    def awaiting(self) -> Phase | None:
        """The phase that holds everything up, for its timeout; None while nothing does."""
        if self._awaited:
            return _PHASES[self._awaited[0].step]
        return Phase.DATA if self._ready else None

    def submit(self, transaction: Transaction) -> None:
        """Put one more in the line. Raises ValueError once the conversation is over or leaving."""
        if self.is_over or self._is_leaving:
            raise ValueError("the conversation is over")
        self._queue.append(transaction)

    def leave(self) -> None:
        """Say QUIT when everything else is answered."""
        self._is_leaving = True

    def to_write(self) -> bytes:
        """Everything that can be said now, to be written at once. What is given counts as written."""
        if self.is_over:
            return b""
        parts: list[bytes] = []
        if self._ready is not None:
            ready, self._ready = self._ready, None
            self._awaited.append(_Awaited(_Step.DOT, ready))
            parts.append(ready.body if ready.refusal is None else b".\r\n")
            self._must_reset = ready.refusal is not None
        if self._queue and (not self._awaited or self._is_at_a_dot()):
            parts.extend(self._begin(self._queue.popleft()))
        if self._is_leaving and self.is_idle:
            self._awaited.append(_Awaited(_Step.QUIT, None))
            parts.append(b"QUIT\r\n")
        return b"".join(parts)

    def receive(self, data: bytes) -> list[Finished]:
        """Take bytes of the relay, cut anywhere; gives what they finished, in order."""
        finished: list[Finished] = []
        lines = (self._buffer + data).split(b"\n")
        self._buffer = lines.pop()
        for line in lines:
            if self.is_over:
                break
            self._size += len(line)
            self._lines.append(line)
            if not line[:3].isdigit() or self._size > _MAX_REPLY_BYTES:
                finished += self._violated(None)
            elif line[3:4] != b"-":
                finished += self._replied(int(line[:3]))
                self._lines, self._size = [], 0
                self.reply_count += 1
        if not self.is_over and len(self._buffer) > _MAX_REPLY_BYTES:
            finished += self._violated(None)
        return finished

    def abandon(self, transaction: Transaction) -> list[Finished]:
        """Nobody wants this one any more. The conversation ends for it, but never while another waits at its dot."""
        if transaction in self._queue:
            self._queue.remove(transaction)
            return []
        transaction.is_abandoned = True
        return self._end_at_abandoned()

    def lose(self) -> list[Finished]:
        """The relay is gone: gives the results of everything that had none."""
        if not self._has_worked and any(self._fate(begun).phase is not Phase.MAIL for begun in self._begun):
            self._suspect(Fault.SUSPECT)
        return self._end()

    def give_up(self) -> list[Finished]:
        """We end it ourselves, which says nothing about the relay: gives the results of everything that had none."""
        return self._end()

    def time_out(self) -> list[Finished]:
        """No reply in the time of `awaiting`. Before the dot this is also how a relay looks that drops commands."""
        if self.awaiting is not Phase.DOT:
            self._suspect(Fault.SUSPECT)
        return self.lose()

    def _begin(self, transaction: Transaction) -> list[bytes]:
        parts = [transaction.mail, transaction.rcpt, b"DATA\r\n"]
        transaction.is_behind_a_dot = bool(self._awaited)
        if self._must_reset:
            self._must_reset = False
            parts.insert(0, b"RSET\r\n")
            self._awaited.append(_Awaited(_Step.RSET, transaction))
        self._awaited.extend(_Awaited(step, transaction) for step in (_Step.MAIL, _Step.RCPT, _Step.DATA))
        self._begun.append(transaction)
        return parts

    def _is_at_a_dot(self) -> bool:
        return len(self._awaited) == 1 and self._awaited[0].step is _Step.DOT

    def _replied(self, code: int) -> list[Finished]:
        if not self._awaited:
            # Nobody asked: 421 announces that the relay hangs up (RFC 5321 §3.8), anything else fits no command.
            return self._end() if code == 421 else self._violated(None)
        at = self._awaited[0]
        refused = at.transaction is not None and at.transaction.refusal is not None
        if at.step is _Step.MAIL and 200 <= code <= 299:  # the many good replies need no words
            self._has_worked = self._has_worked or (at.transaction is not None and at.transaction.is_behind_a_dot)
        if at.step in {_Step.RSET, _Step.MAIL, _Step.RCPT} and 200 <= code <= 299:
            self._awaited.popleft()
            return []
        reply = self._reply(code)
        verdict = classify(_PHASES[at.step], reply)
        result = SendResult(verdict, reply, _PHASES[at.step])
        return self._act(_TABLE[at.step, refused, _answer(at.step, verdict, code, refused=refused)], at, result)

    def _act(self, act: _Act, at: _Awaited, result: SendResult) -> list[Finished]:
        if act is _Act.DESYNC:
            return self._violated(result)
        if act is _Act.END:
            if at.transaction is not None and at.transaction.refusal is None and at.step is not _Step.RSET:
                at.transaction.refusal = result
            return self._end()
        self._awaited.popleft()
        transaction = at.transaction
        if transaction is None or act is _Act.NEXT:
            return []
        if act is _Act.REFUSE:
            transaction.refusal = result
            return []
        if act is _Act.BODY:
            self._ready = transaction
            return self._end_at_abandoned()
        self._begun.popleft()
        self._must_reset = self._must_reset or act is _Act.OVER
        return [(transaction, transaction.refusal or result), *self._end_at_abandoned()]

    def _reply(self, code: int) -> Reply:
        text = b"\n".join(line[4:].strip(b" \t\r") for line in self._lines)
        return Reply.parse(code, text.decode("utf-8", "surrogateescape"))

    def _violated(self, result: SendResult | None) -> list[Finished]:
        self._suspect(Fault.VIOLATION)
        head = self._awaited[0].transaction if self._awaited else None
        if head is not None and head.refusal is None and result is not None:
            certain = Verdict.DOUBT if result.phase is Phase.DOT else Verdict.LOST
            head.refusal = SendResult(certain, result.reply, result.phase)
        return self._end()

    def _suspect(self, fault: Fault) -> None:
        self.fault = fault if self.fault is Fault.NONE else self.fault

    def _end_at_abandoned(self) -> list[Finished]:
        first = self._ready or (self._awaited[0].transaction if self._awaited else None)
        return self._end() if first is not None and first.is_abandoned else []

    def _end(self) -> list[Finished]:
        finished = [(transaction, self._fate(transaction)) for transaction in (*self._begun, *self._queue)]
        self.is_over = True
        self._ready = None
        for left in (self._queue, self._begun, self._awaited):
            left.clear()
        return finished

    def _fate(self, transaction: Transaction) -> SendResult:
        """How a transaction stands if nothing more is read."""
        if transaction.refusal is not None:
            return transaction.refusal
        if transaction is self._ready:
            return SendResult(Verdict.LOST, None, Phase.DATA)
        steps = (awaited.step for awaited in self._awaited if awaited.transaction is transaction)
        phase = _PHASES[next(steps, _Step.MAIL)]
        return SendResult(Verdict.DOUBT if phase is Phase.DOT else Verdict.LOST, None, phase)


_ANSWERS = {
    Verdict.ACCEPTED: _Answer.OK,
    Verdict.RELAY_BUSY: _Answer.BUSY,
    Verdict.LOST: _Answer.ODD,
    Verdict.DOUBT: _Answer.ODD,
}


def _answer(step: _Step, verdict: Verdict, code: int, *, refused: bool) -> _Answer:
    if step is _Step.QUIT:
        return _Answer.OK
    if refused:  # what follows a refusal says nothing new, unless the relay hangs up
        if code == 421 or verdict in {Verdict.LOST, Verdict.DOUBT}:
            return _Answer.BUSY if code == 421 else _Answer.ODD
        return _Answer.OK if verdict is Verdict.ACCEPTED else _Answer.NO
    if code in _NOT_UNDERSTOOD and step in {_Step.MAIL, _Step.RCPT, _Step.DATA}:
        return _Answer.ODD  # it may mean the way we said it: the plain path will tell
    return _ANSWERS.get(verdict, _Answer.NO)
