"""A real Postfix, unpacked and not installed, on loopback: it refuses as the sink does and throws the mail away.

Its own log tells what became of each recipient. It needs root, because it gives its rights away by itself; the accounts
are those that every Debian has.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench import workshop
from bench.readers import DEFERRED, REFUSED
from bench.runs import RunFailed
from bench.workshop import NotHere

_OWNER, _GROUP, _NOBODY = "mail", "games", "nobody"
_QUEUES = "active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace"
_SERVICES = """\
{address} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
_REFUSED = re.compile(r"reject: RCPT from [^:]+: (\d{3}) [^<]*<([^>]+)>")
_TAKEN = re.compile(r"to=<([^>]+)>.*status=sent")
_PATIENCE_S = 30


class Postfix:
    """A running one, on ``port``. ``events`` reads its log."""

    certificate: Path | None = None

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self._log = log

    def events(self) -> list[tuple[float, int, str]]:
        """(0, reply code, address) of every recipient; the log's times are of no use here."""
        found = []
        for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines():
            if refused := _REFUSED.search(line):
                found.append((0.0, int(refused[1]), refused[2]))
            elif taken := _TAKEN.search(line):
                found.append((0.0, 250, taken[1]))
        return found

    def await_events(self, count: int) -> list[tuple[float, int, str]]:
        """The events, when there are so many: it delivers after it has answered. Raises RunFailed after a while."""
        end = time.monotonic() + _PATIENCE_S
        while len(found := self.events()) < count:
            if time.monotonic() > end:
                raise RunFailed(f"Postfix tells of {len(found)} recipients, not of {count}")
            time.sleep(0.1)  # a foreign program's log
        return found


@contextmanager
def start_postfix() -> Iterator[Postfix]:
    """Run it in a folder of its own. Raises NotHere and RunFailed."""
    if os.geteuid() != 0:
        raise NotHere("a real Postfix needs root")
    unpacked = workshop.postfix()
    folder = Path(tempfile.mkdtemp(prefix="digest-bench-postfix-"))
    try:
        folder.chmod(0o755)
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        _configure(folder, unpacked, port)
        program = unpacked / "usr" / "lib" / "postfix" / "sbin" / "master"
        environment = {**os.environ, **workshop.postfix_environment(), "MAIL_CONFIG": str(folder / "etc")}
        log = folder / "master.out"
        with log.open("wb") as output:
            master = subprocess.Popen(
                [program, "-c", folder / "etc", "-d"], env=environment, stdout=output, stderr=output
            )
        try:
            _await_greeting(port, master, folder)
            yield Postfix(port, folder / "mail.log")
        finally:
            master.send_signal(signal.SIGTERM)
            master.wait(30)
    finally:
        shutil.rmtree(folder)


def _configure(folder: Path, unpacked: Path, port: int) -> None:
    queue, data, etc = folder / "queue", folder / "data", folder / "etc"
    for path in (queue, data, etc):
        path.mkdir()
    for name in _QUEUES.split():
        (queue / name).mkdir()
        shutil.chown(queue / name, "root" if name == "pid" else _OWNER)
    shutil.chown(data, _OWNER)
    libraries = unpacked / "usr" / "lib" / "postfix"
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": queue,
        "data_directory": data,
        "daemon_directory": libraries / "sbin",
        "command_directory": unpacked / "usr" / "sbin",
        "shlib_directory": libraries,
        "meta_directory": etc,
        "maillog_file": folder / "mail.log",
        "maillog_file_prefixes": folder,
        "mail_owner": _OWNER,
        "setgid_group": _GROUP,
        "default_privs": _NOBODY,
        "import_environment": "MAIL_CONFIG LD_LIBRARY_PATH TZ LANG=C",
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "mynetworks": "127.0.0.0/8",
        "mydestination": "",
        "local_recipient_maps": "",
        "smtpd_peername_lookup": "no",
        "default_transport": "discard:",
        "smtpd_relay_restrictions": "permit_mynetworks, reject",
        "smtpd_recipient_restrictions": f"check_recipient_access regexp:{etc / 'refused'}, permit_mynetworks, reject",
    }
    lines = (f"{name} = {value}\n" for name, value in settings.items())
    (etc / "main.cf").write_text("".join(lines), encoding="utf-8")
    (etc / "master.cf").write_text(_SERVICES.format(address=f"127.0.0.1:{port}"), encoding="utf-8")
    (etc / "refused").write_text(
        f"/^{REFUSED}/ 550 5.1.1 No such user\n/^{DEFERRED}/ 451 4.7.1 Try again later\n", encoding="utf-8"
    )


def _await_greeting(port: int, master: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as link:
                if link.recv(3) == b"220":
                    return
        except OSError:
            pass  # not yet: the end of patience is below
        if master.poll() is not None or time.monotonic() > end:
            logs = [
                path.read_text(errors="replace")
                for path in (folder / "master.out", folder / "mail.log")
                if path.exists()
            ]
            told = "\n".join(logs).strip()
            raise RunFailed(f"Postfix does not greet: {told[-500:]}")
        time.sleep(0.05)
