"""Tokens in links: nothing but our own keys makes them, and rotation breaks none."""

from __future__ import annotations

import stat
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.config.secrets import Keyring, Purpose, create_key_file, load_keyring, new_id, read_password
from digest.model.errors import ConfigInvalid

OLD, NEW = b"old key, with thirty-two bytes...", b"new key, with thirty-two bytes..."
KEYS = Keyring([OLD])
TOKEN = KEYS.sign(Purpose.UNSUBSCRIBE, "reader-one")


@pytest.mark.parametrize("purpose", Purpose)
def test_a_token_gives_its_public_id_back_for_its_purpose_only(purpose: Purpose):
    token = KEYS.sign(purpose, "reader-one")

    assert {other for other in Purpose if KEYS.verify(other, token) == "reader-one"} == {purpose}


@given(st.from_regex(r"[A-Za-z0-9_-]{1,22}", fullmatch=True))
def test_any_public_id_survives(public_id: str):
    assert KEYS.verify(Purpose.CONFIRM, KEYS.sign(Purpose.CONFIRM, public_id)) == public_id


@given(st.text(max_size=60))
def test_no_made_up_text_is_a_token(text: str):
    assert KEYS.verify(Purpose.UNSUBSCRIBE, text) is None


@pytest.mark.parametrize("length", range(len(TOKEN)))
def test_a_cut_token_is_refused(length: int):
    assert KEYS.verify(Purpose.UNSUBSCRIBE, TOKEN[:length]) is None


# The last character of the signature carries two bits only; its others mean nothing.
@pytest.mark.parametrize("place", range(len(TOKEN) - 1))
def test_a_token_with_one_character_changed_is_refused(place: int):
    other = "A" if TOKEN[place] != "A" else "B"

    assert KEYS.verify(Purpose.UNSUBSCRIBE, TOKEN[:place] + other + TOKEN[place + 1 :]) is None


@pytest.mark.parametrize("token", ["", ".", "reader-one", "reader-one.", f".{TOKEN}", "\udcff", "ü.ü", TOKEN + "A"])
def test_nonsense_is_refused_and_raises_nothing(token: str):
    assert KEYS.verify(Purpose.UNSUBSCRIBE, token) is None


def test_another_installations_token_is_refused():
    assert Keyring([NEW]).verify(Purpose.UNSUBSCRIBE, TOKEN) is None


def test_a_new_first_key_signs_and_old_links_still_work():
    rotated = Keyring([NEW, OLD])
    fresh = rotated.sign(Purpose.UNSUBSCRIBE, "reader-one")

    assert rotated.verify(Purpose.UNSUBSCRIBE, TOKEN) == "reader-one"
    assert Keyring([NEW]).verify(Purpose.UNSUBSCRIBE, fresh) == "reader-one"
    assert KEYS.verify(Purpose.UNSUBSCRIBE, fresh) is None


def test_the_stable_key_is_the_oldest():
    assert Keyring([NEW, OLD]).stable == KEYS.stable == OLD


def test_a_keyring_without_keys_is_a_programming_fault():
    with pytest.raises(ValueError, match="at least one key"):
        Keyring([])


def test_public_ids_are_eleven_url_safe_characters_and_differ():
    made = [new_id() for _ in range(100)]

    assert {len(one) for one in made} == {11}
    assert "".join(made).replace("-", "").replace("_", "").isalnum()
    assert all(one != other for one, other in pairwise(sorted(made)))


def test_a_fresh_key_file_is_for_its_owner_only_and_strong_enough(tmp_path: Path):
    create_key_file(tmp_path / "digest.key")

    assert stat.S_IMODE((tmp_path / "digest.key").stat().st_mode) == 0o600
    assert len(load_keyring(tmp_path / "digest.key").stable) >= 32


def test_an_existing_key_file_is_left_alone(tmp_path: Path):
    file = tmp_path / "digest.key"
    file.write_bytes(OLD)
    create_key_file(file)

    assert file.read_bytes() == OLD


def test_two_installations_get_two_keys(tmp_path: Path):
    for name in ("one", "two"):
        create_key_file(tmp_path / name)

    assert (tmp_path / "one").read_bytes() != (tmp_path / "two").read_bytes()


def test_comments_and_empty_lines_of_a_key_file_are_passed_over(tmp_path: Path):
    file = tmp_path / "digest.key"
    file.write_bytes(b"# 2026\n" + NEW + b"\n\n  # before that\n" + OLD + b"\r\n")
    keys = load_keyring(file)

    assert keys.stable == OLD
    assert keys.verify(Purpose.UNSUBSCRIBE, Keyring([NEW]).sign(Purpose.UNSUBSCRIBE, "x")) == "x"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only a comment\n", b"short", OLD + b"\nshort\n"])
def test_a_weak_key_file_is_refused_with_what_it_needs(tmp_path: Path, content: bytes):
    file = tmp_path / "digest.key"
    file.write_bytes(content)
    with pytest.raises(ConfigInvalid, match="32 or more characters") as caught:
        load_keyring(file)

    assert "keep old lines" in caught.value.hint


def test_a_missing_key_file_is_refused_with_how_to_make_one(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match="there is no secret key at") as caught:
        load_keyring(tmp_path / "digest.key")

    assert "digest init" in caught.value.hint


@pytest.mark.parametrize("kind", ["folder", "binary"])
def test_a_key_that_cannot_be_read_is_refused(tmp_path: Path, kind: str):
    file = tmp_path / "digest.key"
    if kind == "folder":
        file.mkdir()
    else:
        file.write_bytes(b"\xff" * 40)
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        load_keyring(file)


def test_a_password_is_the_first_line_of_its_file(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("correct horse\nbattery\n", encoding="utf-8")

    assert read_password(file) == "correct horse"


@pytest.mark.parametrize("content", [None, b"", b"\xff\xff"])
def test_a_password_file_that_says_nothing_is_refused(tmp_path: Path, content: bytes | None):
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        read_password(file)
