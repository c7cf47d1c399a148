"""The pipelined conversation with a relay (RFC 2920, RFC 3030), without any input or output.

Rules of this file: transactions and received bytes go in, bytes to write and results come out. Replies are matched
to commands in order, one by one. With DATA at most two transactions are begun: one that waits for the reply to its
final dot, and the next, whose commands were written behind that dot; a body is written only after its own 354. With
CHUNKING up to ``window`` are begun, each with its body, but never on a conversation that has gone quiet: there the
first body waits for the replies to its envelope, because a relay that has hung up meanwhile must cost no doubt.

What is certain: a message counts as written from `Pipeline.to_write` on. If the conversation ends by whatever means,
a message whose end was written and not answered is DOUBT (RFC 1047), every other one is LOST: not accepted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from digest.smtp.replies import Phase, Reply, SendResult, Verdict, classify

_MAX_REPLY_BYTES = 32_768
_NOT_UNDERSTOOD = frozenset({500, 502, 503, 504})


@dataclass(slots=True, eq=False)
class Transaction:
    """One mail to one recipient, as bytes: both commands with their line ends, and the message.

    ``body`` is what is written as the message: with DATA up to its final dot, with CHUNKING the command before it.
    """

    mail: bytes
    rcpt: bytes
    body: tuple[bytes, ...]
    may_go: Callable[[], bool] = lambda: True
    refusal: SendResult | None = None
    is_behind_another: bool = False
    is_abandoned: bool = False
    is_written: bool = False


Finished = tuple[Transaction, SendResult]


class Fault(Enum):
    """Whether pipelining can be trusted here.

    ``SUSPECT``: the connection died before pipelining had ever worked on it. ``VIOLATION``: the replies do not fit
    the commands; what is LOST by that is worth another try without pipelining.
    """

    NONE = auto()
    SUSPECT = auto()
    VIOLATION = auto()


# The commands whose replies are awaited. Plain numbers: they are compared for every reply of every mail. `_HELD` is a
# RCPT whose body waits for its reply; `_DOT` the end of the message, by dot or by chunk.
_RSET, _MAIL, _RCPT, _HELD, _DATA, _DOT, _QUIT = range(7)
_PHASES = (Phase.MAIL, Phase.MAIL, Phase.RCPT, Phase.RCPT, Phase.DATA, Phase.DOT, Phase.MAIL)
_TWO = ord("2")


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


_FRESH, _REFUSED = False, True  # has this transaction been refused by an earlier reply?
_TABLE: dict[tuple[int, bool, _Answer], _Act] = {
    **{(step, refused, _Answer.BUSY): _Act.END for step in range(7) for refused in (_FRESH, _REFUSED)},
    **{(step, refused, _Answer.ODD): _Act.DESYNC for step in range(7) for refused in (_FRESH, _REFUSED)},
    (_RSET, _FRESH, _Answer.OK): _Act.NEXT,
    (_RSET, _FRESH, _Answer.NO): _Act.END,
    (_MAIL, _FRESH, _Answer.OK): _Act.NEXT,
    (_MAIL, _FRESH, _Answer.NO): _Act.REFUSE,
    (_MAIL, _REFUSED, _Answer.OK): _Act.NEXT,  # with its RSET: only those written behind another have one to lose
    (_MAIL, _REFUSED, _Answer.NO): _Act.NEXT,
    (_RCPT, _FRESH, _Answer.OK): _Act.NEXT,
    (_RCPT, _FRESH, _Answer.NO): _Act.REFUSE,
    (_RCPT, _REFUSED, _Answer.OK): _Act.NEXT,
    (_RCPT, _REFUSED, _Answer.NO): _Act.NEXT,
    (_HELD, _FRESH, _Answer.OK): _Act.BODY,
    (_HELD, _FRESH, _Answer.NO): _Act.OVER,
    (_HELD, _REFUSED, _Answer.OK): _Act.OVER,
    (_HELD, _REFUSED, _Answer.NO): _Act.OVER,
    (_DATA, _FRESH, _Answer.OK): _Act.BODY,
    (_DATA, _FRESH, _Answer.NO): _Act.OVER,
    (_DATA, _REFUSED, _Answer.OK): _Act.BODY,  # 354 although refused: the dot alone follows, RFC 2920 §3.1
    (_DATA, _REFUSED, _Answer.NO): _Act.OVER,
    (_DOT, _FRESH, _Answer.OK): _Act.DONE,
    # The dot ends a transaction either way (RFC 5321 §4.1.1.4), but not at a Postfix 3.7 that refuses it by
    # smtpd_end_of_data_restrictions: there the next MAIL is "nested" (503).
    (_DOT, _FRESH, _Answer.NO): _Act.OVER,
    (_DOT, _REFUSED, _Answer.OK): _Act.DONE,
    (_DOT, _REFUSED, _Answer.NO): _Act.DONE,
    (_QUIT, _FRESH, _Answer.OK): _Act.END,
    (_QUIT, _FRESH, _Answer.NO): _Act.END,
}


class Pipeline:
    """The state of one conversation, from the logged-in connection on. Every `submit` ends with exactly one result.

    ``window``: how many transactions may be begun; more than two make sense with CHUNKING only.
    """

    def __init__(self, *, is_chunking: bool = False, window: int = 2) -> None:
        self.is_over = False
        self.fault = Fault.NONE
        self.reply_count = 0
        self._is_chunking = is_chunking
        self._window = window
        self._queue: deque[Transaction] = deque()
        self._begun: deque[Transaction] = deque()
        self._awaited: deque[tuple[int, Transaction | None]] = deque()
        self._ready: Transaction | None = None  # its body may be written now
        self._has_worked = False
        self._has_abandoned = False
        self._must_reset = False
        self._is_leaving = False
        self._is_closing = False  # it has said that it will hang up
        self._buffer = b""
        self._lines: list[bytes] = []
        self._size = 0

    @property
    def is_open(self) -> bool:
        """Whether another mail can be sent."""
        return not (self.is_over or self._is_closing)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is awaited and nothing is to be sent."""
        return not (self._queue or self._begun or self._awaited)

    @property
    def awaiting(self) -> Phase | None:
        """The phase that holds everything up, for its timeout; None while nothing does."""
        if self._awaited:
            return _PHASES[self._awaited[0][0]]
        return Phase.DATA if self._ready else None

    def submit(self, transaction: Transaction) -> None:
        """Put one more in the line. Raises ValueError once the conversation is over or leaving."""
        if self.is_over or self._is_leaving:
            raise ValueError("the conversation is over")
        self._queue.append(transaction)

    def leave(self) -> None:
        """Say QUIT when everything else is answered."""
        self._is_leaving = True

    @property
    def may_go_on(self) -> bool:
        """Whether the body that `to_write` would give first may still be written."""
        if self._ready is not None:
            return self._ready.may_go()
        return not self._queue or self._queue[0].may_go()

    def to_write(self) -> bytes:
        """Everything that can be said now, to be written at once. What is given counts as written."""
        if self.is_over:
            return b""
        parts: list[bytes] = []
        if self._ready is not None:
            self._write_body(self._ready, parts)
            self._ready = None
        while self._queue and self._may_begin():
            self._begin(self._queue.popleft(), parts)
        if self._is_leaving and self.is_idle:
            self._awaited.append((_QUIT, None))
            parts.append(b"QUIT\r\n")
        return b"".join(parts)

    def receive(self, data: bytes) -> list[Finished]:
        """Take bytes of the relay, cut anywhere; gives what they finished, in order."""
        finished: list[Finished] = []
        lines = (self._buffer + data if self._buffer else data).split(b"\n")
        self._buffer = lines.pop()
        for line in lines:
            if self.is_over:
                break
            if not self._lines and line[3:4] != b"-" and self._is_plainly_good(line, finished):
                self.reply_count += 1
                continue
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
        if self._is_closing and not (self._begun or self.is_over):
            finished += self._end()
        return finished

    def abandon(self, transaction: Transaction) -> list[Finished]:
        """Nobody wants this one any more. The conversation ends for it, but never while another waits at its dot."""
        if transaction in self._queue:
            self._queue.remove(transaction)
            return []
        transaction.is_abandoned = self._has_abandoned = True
        return self._end_at_abandoned()

    def lose(self) -> list[Finished]:
        """The relay is gone: gives the results of everything that had none."""
        if not self._has_worked and any(self._phase(begun) is not Phase.MAIL for begun in self._begun):
            self._suspect(Fault.SUSPECT)
        return self._end(is_closed=self._is_closing)

    def give_up(self) -> list[Finished]:
        """We end it ourselves, which says nothing about the relay: gives the results of everything that had none."""
        return self._end()

    def time_out(self) -> list[Finished]:
        """No reply in the time of `awaiting`. Before the dot this is also how a relay looks that drops commands."""
        if self.awaiting is not Phase.DOT:
            self._suspect(Fault.SUSPECT)
        self._is_closing = False  # it never did
        return self.lose()

    def _may_begin(self) -> bool:
        if self._is_closing:
            return False
        if not self._awaited:
            return True
        if self._is_chunking:  # wide only once a first chunk was taken: not every relay that offers them can
            return self._has_worked and len(self._begun) < self._window and self._begun[-1].is_written
        return len(self._awaited) == 1 and self._awaited[0][0] == _DOT

    def _begin(self, transaction: Transaction, parts: list[bytes]) -> None:
        transaction.is_behind_another = bool(self._awaited)
        # Whatever becomes of the one before, its transaction may still be open when this one is read.
        if self._must_reset or transaction.is_behind_another:
            self._must_reset = False
            parts.append(b"RSET\r\n")
            self._awaited.append((_RSET, transaction))
        parts += (transaction.mail, transaction.rcpt)
        self._awaited.append((_MAIL, transaction))
        self._begun.append(transaction)
        if not self._is_chunking:
            parts.append(b"DATA\r\n")
            self._awaited.append((_RCPT, transaction))
            self._awaited.append((_DATA, transaction))
        elif transaction.is_behind_another:
            self._awaited.append((_RCPT, transaction))
            self._write_body(transaction, parts)
        else:
            self._awaited.append((_HELD, transaction))

    def _write_body(self, transaction: Transaction, parts: list[bytes]) -> None:
        self._awaited.append((_DOT, transaction))
        if transaction.refusal is None:
            transaction.is_written = True
            parts += transaction.body
        else:  # after a 354 nobody should have given
            self._must_reset = True
            parts.append(b".\r\n")

    def _is_plainly_good(self, line: bytes, finished: list[Finished]) -> bool:
        """Take a reply of one line that says yes to what was awaited; False leaves it to the table.

        This is the table's row of OKs in short: it runs for nearly every reply.
        """
        if not self._awaited or not line[:3].isdigit():
            return False
        step, transaction = self._awaited[0]
        if transaction is None or transaction.refusal is not None:
            return False
        if step == _DATA:
            if line[:3] != b"354" or self._has_abandoned:
                return False
            self._ready = transaction
        elif line[0] != _TWO or step == _HELD:
            return False
        elif step == _DOT:
            if self._has_abandoned:
                return False
            self._begun.popleft()
            reply = Reply.parse(int(line[:3]), line[4:].strip(b" \t\r").decode("utf-8", "surrogateescape"))
            finished.append((transaction, SendResult(Verdict.ACCEPTED, reply, Phase.DOT)))
            self._has_worked = self._has_worked or self._is_chunking
        elif step == _MAIL and transaction.is_behind_another:
            self._has_worked = True
        self._awaited.popleft()
        return True

    def _replied(self, code: int) -> list[Finished]:
        if not self._awaited:
            # Nobody asked: 421 announces that the relay hangs up (RFC 5321 §3.8), anything else fits no command.
            return self._end() if code == 421 else self._violated(None)
        step, transaction = self._awaited[0]
        refused = transaction is not None and transaction.refusal is not None
        if 200 <= code <= 299 and step == (_DOT if self._is_chunking else _MAIL):
            self._has_worked = (
                self._has_worked or self._is_chunking or bool(transaction and transaction.is_behind_another)
            )
        reply = self._reply(code)
        result = SendResult(classify(_PHASES[step], reply), reply, _PHASES[step])
        return self._act(_TABLE[step, refused, self._answer(step, result, code, refused=refused)], result)

    def _answer(self, step: int, result: SendResult, code: int, *, refused: bool) -> _Answer:
        answer = _ANSWERS.get(result.verdict, _Answer.NO)
        if step == _QUIT:
            return _Answer.OK
        if code == 421:
            # Who says it closes the channel (RFC 5321 §3.8). With chunks we read on until it does: a relay that says
            # it and goes on would take what is written already, and we would send that again.
            self._is_closing = self._is_chunking
            return _Answer.NO if self._is_chunking else _Answer.BUSY
        if refused:  # what follows a refusal says nothing new
            return _Answer.NO if answer is _Answer.BUSY else answer
        if code in _NOT_UNDERSTOOD and (step in {_MAIL, _RCPT, _HELD, _DATA} or self._is_chunking):
            return _Answer.ODD  # it may mean the way we said it: the plain path will tell
        if answer is _Answer.BUSY and self._is_chunking:
            return _Answer.NO  # those behind it are written: only by reading on is known what became of them
        return answer

    def _act(self, act: _Act, result: SendResult) -> list[Finished]:
        step, transaction = self._awaited[0]
        if act is _Act.DESYNC:
            return self._violated(result)
        if act is _Act.END and step == _RSET and self._is_chunking:
            act = _Act.REFUSE  # its mail is refused with it; those behind have a RSET of their own
        if act is _Act.END:
            if transaction is not None and transaction.refusal is None and step != _RSET:
                transaction.refusal = result
            return self._end()
        self._awaited.popleft()
        if transaction is None or act is _Act.NEXT:
            return []
        if act is _Act.REFUSE:
            transaction.refusal = result
            return []
        if act is _Act.BODY:
            self._ready = transaction
            return self._end_at_abandoned()
        self._begun.popleft()
        self._must_reset = self._must_reset or act is _Act.OVER or self._is_chunking
        return [(transaction, transaction.refusal or result), *self._end_at_abandoned()]

    def _reply(self, code: int) -> Reply:
        text = b"\n".join(line[4:].strip(b" \t\r") for line in self._lines)
        return Reply.parse(code, text.decode("utf-8", "surrogateescape"))

    def _violated(self, result: SendResult | None) -> list[Finished]:
        self._suspect(Fault.VIOLATION)
        head = self._awaited[0][1] if self._awaited else None
        if head is not None and head.refusal is None and result is not None:
            certain = Verdict.DOUBT if self._may_have_arrived(head, result) else Verdict.LOST
            head.refusal = SendResult(certain, result.reply, result.phase)
        return self._end()

    def _may_have_arrived(self, transaction: Transaction, result: SendResult) -> bool:
        """Whether it may have been taken although ``result`` fits no command: a 5xx to its end is a no, whatever."""
        is_no = result.reply is not None and result.reply.code >= 500 and result.phase is Phase.DOT
        return transaction.is_written and not is_no

    def _suspect(self, fault: Fault) -> None:
        self.fault = fault if self.fault is Fault.NONE else self.fault

    def _end_at_abandoned(self) -> list[Finished]:
        if not self._has_abandoned:
            return []
        first = self._ready or (self._awaited[0][1] if self._awaited else None)
        return self._end() if first is not None and first.is_abandoned else []

    def _end(self, *, is_closed: bool = False) -> list[Finished]:
        left_over = (*self._begun, *self._queue)
        finished = [(transaction, self._fate(transaction, is_closed=is_closed)) for transaction in left_over]
        self.is_over = True
        self._ready = None
        for left in (self._queue, self._begun, self._awaited):
            left.clear()
        return finished

    def _fate(self, transaction: Transaction, *, is_closed: bool) -> SendResult:
        """How a transaction stands if nothing more is read; ``is_closed``: it was not looked at any more."""
        if transaction.refusal is not None:
            return transaction.refusal
        if transaction.is_written and not is_closed:
            return SendResult(Verdict.DOUBT, None, Phase.DOT)
        return SendResult(Verdict.LOST, None, self._phase(transaction))

    def _phase(self, transaction: Transaction) -> Phase:
        """How far the replies to a transaction have come."""
        if transaction is self._ready:
            return Phase.DATA
        steps = (step for step, awaited in self._awaited if awaited is transaction)
        return _PHASES[next(steps, _MAIL)]


_ANSWERS = {
    Verdict.ACCEPTED: _Answer.OK,
    Verdict.RELAY_BUSY: _Answer.BUSY,
    Verdict.LOST: _Answer.ODD,
    Verdict.DOUBT: _Answer.ODD,
}
