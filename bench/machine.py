"""On what was measured: processor, memory, systems and versions, and nothing that names the machine."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench import BUILD, ROOT
from support import postgres

_PACKAGES = ("aiosmtplib", "cryptography", "sqlalchemy", "psycopg", "procrastinate", "jinja2", "dkimpy")


def described() -> list[tuple[str, str]]:
    """(what, which) in the order in which people ask."""
    return [
        ("processor", f"{_cpu_model()}, {len(os.sched_getaffinity(0))} cores, {_memory_gb()} GB of memory"),
        ("system", f"Linux {platform.release().split('-')[0]}, {_pretty_system()}"),
        ("Python", f"{platform.python_version()}, {_packages()}"),
        ("SQLite", sqlite3.sqlite_version),
        ("PostgreSQL", _postgres()),
        ("Node", f"{_told(['node', '--version'])}, nodemailer {_nodemailer()}"),
        ("Postfix", _postfix()),
        ("C compiler", _told(["cc", "--version"])),
    ]


def commit() -> str:
    """The commit that was measured, and whether there was more in the tree."""
    short = _told(["git", "rev-parse", "--short", "HEAD"])
    if short in {"", "none"}:
        return "an unknown commit"
    return f"{short} with changes" if _told(["git", "status", "--porcelain", "src"]) else short


def busy_share() -> float:
    """How much of all cores others use, 0 to 1, over a second in which we do nothing: their work spoils the figures."""
    idle, total = _ticks()
    time.sleep(1)
    idle_later, total_later = _ticks()
    return 1 - (idle_later - idle) / max(1, total_later - total)


def _ticks() -> tuple[int, int]:
    """Clock ticks since the machine was started: idle or waiting for a disk, and all (proc(5), /proc/stat)."""
    words = [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    return words[3] + words[4], sum(words)


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)


def _pretty_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):  # no such file on this system
        return "unknown distribution"


def _packages() -> str:
    told = []
    for name in _PACKAGES:
        try:
            told.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            told.append(f"no {name}")
    return ", ".join(told)


def _postgres() -> str:
    binaries = postgres.find_binaries()
    return _told([str(binaries / "postgres"), "--version"]) if binaries else "none"


def _nodemailer() -> str:
    package = BUILD / "node" / "node_modules" / "nodemailer" / "package.json"
    found = re.search(r'"version":\s*"([^"]+)"', package.read_text(encoding="utf-8")) if package.exists() else None
    return found[1] if found else "none"


def _postfix() -> str:
    found = next((BUILD / "postfix").glob("postfix_*.deb"), None)
    return found.name.split("_")[1] if found else "none"


def _told(command: list[str]) -> str:
    """The first line that a program prints about itself, "none" where there is no such program."""
    if shutil.which(command[0]) is None:
        return "none"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return (done.stdout.strip().splitlines() or [""])[0]
