"""Every expected failure, one class per decision the caller can take.

Rules of this file: the class docstring is the default message; `hint` says what to do next;
`exit_code` is what the command line returns (1 failed, 2 bad input, 3 nothing to do).
A programming fault is an ``AssertionError`` or ``ValueError`` and is never one of these.
"""

from __future__ import annotations


class DigestError(Exception):
    """Something failed."""

    code = "failed"
    exit_code = 1

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message = message or (self.__doc__ or "").splitlines()[0]
        self.hint = hint
        super().__init__(self.message)


class BadInput(DigestError):
    """The input is not valid."""

    code = "bad-input"
    exit_code = 2


class ConfigInvalid(BadInput):
    """The configuration is not valid."""

    code = "config-invalid"


class NotFound(BadInput):
    """There is no such thing."""

    code = "not-found"


class AlreadyExists(BadInput):
    """It exists already."""

    code = "already-exists"


class NothingToDo(DigestError):
    """There is nothing to do."""

    code = "nothing-to-do"
    exit_code = 3


class StoreUnavailable(DigestError):
    """The database cannot be used."""

    code = "store-unavailable"


class SchemaMismatch(StoreUnavailable):
    """The database schema does not fit this version of Digest."""

    code = "schema-mismatch"


class SourceUnreachable(DigestError):
    """The source cannot be fetched."""

    code = "source-unreachable"


class FeedMalformed(DigestError):
    """The document is not a feed we can read."""

    code = "feed-malformed"


class TemplateBroken(DigestError):
    """A template cannot be rendered.

    ``template`` and ``line`` say where the fault is, ``meant`` what was probably meant; each None when unknown.
    ``chain`` is the way there through macros and includes, outermost first, as (template, line).
    """

    code = "template-broken"

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        template: str | None = None,
        line: int | None = None,
        meant: str | None = None,
        chain: tuple[tuple[str, int], ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.template = template
        self.line = line
        self.meant = meant
        self.chain = chain


class MessageInvalid(DigestError):
    """A message cannot be built without breaking a mail standard."""

    code = "message-invalid"


class RelayUnreachable(DigestError):
    """The relay cannot be reached. Nothing was lost; the deliveries wait."""

    code = "relay-unreachable"


class RelayRefused(DigestError):
    """The relay refuses us (login, sender or policy): our configuration, not the readers' addresses."""

    code = "relay-refused"


class LeaseLost(DigestError):
    """Another worker holds these deliveries now; this one must stop writing."""

    code = "lease-lost"


class IllegalTransition(DigestError):
    """That change of state is not allowed."""

    code = "illegal-transition"
    exit_code = 2
