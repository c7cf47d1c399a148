"""What has to be compiled, fetched or made before anything can be measured, each thing once and only when asked for.

Everything lands in ``build/bench``. What this machine or its network does not give is said with the remedy
(`NotHere`), and the rows that need it say so in the table.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bench import BUILD, HERE, ROOT
from bench.runs import run

DIGEST = Path(sys.executable).with_name("digest")


class NotHere(Exception):
    """Something optional that this machine lacks; the text says what and how to get it."""


def _tool(name: str, remedy: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotHere(f"{name} is missing: {remedy}")
    return found


def _do(command: Sequence[object], *, cwd: Path = ROOT, what: str) -> None:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()
        raise NotHere(f"{what}: {told[-1] if told else f'exit {done.returncode}'}")


@cache
def sink_program(build: Path = BUILD) -> Path:
    """Our sink, compiled when its source is newer. Raises NotHere without a compiler or OpenSSL's headers."""
    compiler = _tool("cc", "install a C compiler (Debian: apt-get install gcc libc6-dev)")
    source, program = HERE / "sink.c", build / "sink"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        build.mkdir(parents=True, exist_ok=True)
        warnings = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
        what = "bench/sink.c does not compile (it needs OpenSSL's headers; Debian: apt-get install libssl-dev)"
        fresh = program.with_name(f"sink-{os.getpid()}")
        _do([compiler, *warnings, "-o", fresh, source, "-lssl", "-lcrypto"], what=what)
        fresh.replace(program)  # whole or not at all: another process may be starting it
    return program


@cache
def node_modules() -> Path:
    """The folder in which Node finds nodemailer, installed by npm."""
    _tool("node", "install Node (Debian: apt-get install nodejs)")
    npm = _tool("npm", "install npm (Debian: apt-get install npm)")
    folder = BUILD / "node"
    if not (folder / "node_modules" / "nodemailer").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
        _do([npm, "install", "--prefix", folder, *options, "nodemailer"], what="npm could not install nodemailer")
    return folder


@cache
def postfix() -> Path:
    """Debian's postfix, unpacked and not installed: smtp-source, smtp-sink and the daemons."""
    fetch = _tool("apt-get", "Postfix's programs are taken from Debian's package")
    unpack = _tool("dpkg", "Postfix's programs are taken from Debian's package")
    folder = BUILD / "postfix"
    if not (folder / "usr" / "sbin" / "smtp-source").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        if not list(folder.glob("postfix_*.deb")):
            _do([fetch, "download", "postfix"], cwd=folder, what="apt-get could not download postfix")
        for package in folder.glob("postfix_*.deb"):
            _do([unpack, "-x", package, folder], what="dpkg could not unpack postfix")
    return folder


def postfix_environment() -> dict[str, str]:
    """What its programs need to find their own libraries."""
    return {"LD_LIBRARY_PATH": str(postfix() / "usr" / "lib" / "postfix")}


def certificate() -> tuple[Path, Path]:
    """A throw-away certificate for 127.0.0.1, its own authority, and its key."""
    return _secrets()[2], _secrets()[3]


def keys() -> tuple[Path, Path]:
    """Throw-away DKIM keys: RSA of 2048 bits, and Ed25519."""
    return _secrets()[0], _secrets()[1]


@cache
def _secrets() -> list[Path]:
    BUILD.mkdir(parents=True, exist_ok=True)
    return [Path(word) for word in run([sys.executable, "-m", "bench.keys", BUILD], cwd=ROOT).output.split()]


@cache
def issue() -> Path:
    """The corpus as a file, for senders that cannot import it."""
    path = BUILD / "issue.json"
    BUILD.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "bench.corpus", path], cwd=ROOT)
    return path


@cache
def relay_settings() -> frozenset[str]:
    """The settings of a relay that this version of the product has."""
    asks = "from digest.config.settings import RelaySettings as settings; print(*settings.model_fields)"
    return frozenset(run([sys.executable, "-c", asks], cwd=ROOT).output.split())
