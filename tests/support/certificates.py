"""Throw-away certificates by the openssl program; nothing of the kind is kept in the project."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def find_openssl() -> str | None:
    """The openssl program, if this machine has it."""
    return shutil.which("openssl")


def make_certificate(folder: Path, *, host: str = "127.0.0.1") -> tuple[Path, Path]:
    """A self-signed certificate for ``host`` and its key, valid for a day. Gives (certificate, key)."""
    certificate, key = folder / "sink.pem", folder / "sink.key"
    kind = "IP" if host[0].isdigit() else "DNS"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", "/CN=sink", "-addext", f"subjectAltName={kind}:{host}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
