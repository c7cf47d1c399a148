"""Mails that went through the product to a real sink, once for each kind of signature."""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from digest.mime.dkim import DkimKey
from digest.store.engine import Store
from support import postgres
from support.mailing import PAPERS, keys_for, mail_everything
from support.missing import missing
from support.verifiers import INSTALLED, node, zone_of


@dataclass(frozen=True)
class Mailing:
    """What arrived, by order and recipient, and the keys that signed it."""

    mails: dict[str, bytes]
    recipients: dict[str, str]
    keys: list[DkimKey]

    @property
    def zone(self) -> dict[str, str]:
        return zone_of(self.keys)

    @property
    def selectors(self) -> list[str]:
        """Of the signatures each mail must have, from the top."""
        return list(dict.fromkeys(key.selector for key in self.keys))

    def samples(self) -> dict[str, bytes]:
        """One mail in two parts and one of plain text."""
        two = next(name for name, wire in self.mails.items() if b"multipart/alternative" in wire)
        one = next(name for name, wire in self.mails.items() if b"multipart/alternative" not in wire)
        return {name: self.mails[name] for name in (two, one)}


KINDS = [
    pytest.param(("sqlite", True, {"chunking": "auto"}), id="rsa and ed25519, sqlite, in chunks"),
    pytest.param(
        ("postgres", False, {"pipelining": "off"}), id="rsa, postgres, step by step", marks=pytest.mark.postgres
    ),
]


@pytest.fixture(scope="module", params=KINDS)
def mailing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mailing:
    database, with_ed25519, relay = request.param
    folder = tmp_path_factory.mktemp("mailing")
    keys = keys_for(PAPERS, with_ed25519=with_ed25519)
    with contextlib.ExitStack() as stack:
        store = Store(_database(request, database, folder, stack))
        stack.callback(store.close)
        sink = mail_everything(store, folder, keys, **relay)
    arrived = list(zip(sink.accepted(), sink.messages(), strict=True))
    names = [f"{event['order']:04d} {re.sub(r'[^a-z0-9.@]', '_', event['to'])[:40]}" for event, _ in arrived]
    return Mailing(
        mails=dict(zip(names, (wire for _, wire in arrived), strict=True)),
        recipients=dict(zip(names, (event["to"] for event, _ in arrived), strict=True)),
        keys=keys,
    )


def _database(request: pytest.FixtureRequest, kind: str, folder: Path, stack: contextlib.ExitStack) -> str:
    """A fresh database for the whole module."""
    if kind == "postgres":
        names = [request.getfixturevalue(name) for name in ("postgres_url", "postgres_template")]
        return stack.enter_context(postgres.copied(*names))
    path = folder / "digest.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def mailauth() -> None:
    """The second verifier; where Node is there it must be, too."""
    if node() is None:
        pytest.skip("Node 20.18 or newer is missing: install nodejs and npm, then run `make machine`")
    if not (INSTALLED / "node_modules" / "mailauth").is_dir():
        missing("mailauth", "run `make machine` (it takes npm)")
