"""Whether a lock on a file in a folder is seen by everybody who can see the file.

On a local filesystem it is: the kernel keeps `flock` for all its processes, in whatever container. On a network
filesystem it may be kept by each machine for itself (nfs(5), "local_lock"; mount.cifs(8), "nobrl").
"""

from __future__ import annotations

import re
from pathlib import Path

#: This process's mounts, proc_pid_mountinfo(5). Linux only.
MOUNTINFO = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "afs", "ceph", "lustre", "gfs2", "ocfs2"}
)
_LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs", "fuse.mergerfs"})
_ESCAPE = re.compile(r"\\([0-7]{3})")


def locks_reach_everybody(folder: Path, mountinfo: Path = MOUNTINFO) -> bool:
    """Whether ``folder`` is on a local filesystem, as far as is known: what is not known is not trusted."""
    kind = filesystem_of(folder, mountinfo)
    if kind is None or kind in _NETWORK:
        return False
    is_fuse = kind == "fuse" or kind.startswith("fuse.")
    return not is_fuse or kind in _LOCAL_FUSE


def filesystem_of(folder: Path, mountinfo: Path = MOUNTINFO) -> str | None:
    """The type of the filesystem that holds ``folder`` (``ext4``, ``nfs4``, …); None where there is no such table."""
    if not mountinfo.exists():
        return None
    inside = folder.resolve()
    found: tuple[int, str] | None = None
    for line in mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        # 36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/sda1 rw: before the dash the number varies
        before, _, after = line.partition(" - ")
        point = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4]))
        depth = len(point.parts)
        # Of several mounts on one point the last lies on top.
        if inside.is_relative_to(point) and (found is None or depth >= found[0]):
            found = (depth, after.split(" ")[0])
    return found[1] if found else None
