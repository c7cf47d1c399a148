"""Expected failures as a closed family: codes for scripts, exit codes for shells."""

from __future__ import annotations

import re

import pytest

from digest.model import errors
from digest.model.errors import BadInput, DigestError, LeaseLost, NothingToDo


def family(root: type[DigestError] = DigestError) -> list[type[DigestError]]:
    return [root, *(one for child in root.__subclasses__() for one in family(child))]


OURS = [one for one in family() if one.__module__ == errors.__name__]


def test_codes_are_unique_and_in_kebab_case():
    codes = [one.code for one in OURS]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("kind", OURS)
def test_every_error_says_its_sentence_when_nothing_else_is_said(kind: type[DigestError]):
    assert re.fullmatch(r"[A-Z].+\.", kind().message)


@pytest.mark.parametrize("kind", OURS)
def test_an_exit_code_is_failed_bad_input_or_nothing_to_do(kind: type[DigestError]):
    assert kind.exit_code in {1, 2, 3}
    assert (kind.exit_code == 3) == issubclass(kind, NothingToDo)
    if issubclass(kind, BadInput):
        assert kind.exit_code == 2


def test_message_and_hint_are_kept_and_the_message_is_the_text():
    error = LeaseLost("lease a1 is gone", hint="start again")

    assert (error.message, error.hint, str(error)) == ("lease a1 is gone", "start again", "lease a1 is gone")
