"""How much memory there is for this program: the machine's, or less by a limit.

A container or a job of a cluster has a limit of its own, of which the machine's own
figures say nothing; who goes beyond it is ended by the system without a word.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

_CGROUPS = Path("/sys/fs/cgroup")
_OF_PROCESS = Path("/proc/self/cgroup")
_ENDLESS = 1 << 60  # bytes; version 1 says 2**63 - 4096 where there is no limit


def total_memory() -> int:
    """Return how many bytes this program may have, all in all."""
    limits = (limit.total for limit in _limits())
    return int(min(psutil.virtual_memory().total, *limits, _ENDLESS))


def free_memory() -> int:
    """Return how many more bytes this program may have now."""
    limits = (limit.free for limit in _limits())
    return int(max(0, min(psutil.virtual_memory().available, *limits, _ENDLESS)))


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit on memory, and what of it is left."""

    total: int
    free: int


def _limits() -> Iterator[_Limit]:
    yield from _of_cgroups()
    yield from _of_process()


def _of_cgroups() -> Iterator[_Limit]:
    """Yield the limits of the control groups that the process is in, Linux only."""
    with suppress(OSError):
        for line in _OF_PROCESS.read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0":
                for mount in (_CGROUPS, _CGROUPS / "unified"):
                    yield from _along(mount, path, _VERSION_2)
            elif "memory" in controllers.split(","):
                yield from _along(_CGROUPS / "memory", path, _VERSION_1)


@dataclass(frozen=True, slots=True)
class _Files:
    """Names of what a control group tells, by the version of the kernel's interface."""

    limit: str
    used: str
    cached: str


_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes",
                    "total_inactive_file")  # fmt: skip
_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")


def _along(mount: Path, path: str, files: _Files) -> Iterator[_Limit]:
    """Yield the limits of a group and of those around it, up to the mount.

    A container sees its own group as the mount, and the host's name for it is not
    there; so what is missing on the way is passed over.
    """
    inside = PurePosixPath(path).relative_to("/")
    for group in (inside, *inside.parents):
        with suppress(OSError, ValueError):  # none here, or 'max'
            folder = mount / group
            total = int((folder / files.limit).read_text())
            used = int((folder / files.used).read_text())
            lines = (folder / "memory.stat").read_text().splitlines()
            stat = dict(line.split() for line in lines)
            # Pages of files that were read are given up when memory is asked for.
            yield _Limit(total, total - used + int(stat.get(files.cached, 0)))


def _of_process() -> Iterator[_Limit]:
    """Yield the limits of the process itself (``ulimit -v``, ``ulimit -d``)."""
    if sys.platform == "win32":
        return
    import resource

    used = psutil.Process().memory_info()
    held_by_kind = {
        resource.RLIMIT_AS: used.vms,
        resource.RLIMIT_DATA: getattr(used, "data", used.rss),
    }
    for kind, held in held_by_kind.items():
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY:
            yield _Limit(limit, limit - held)
