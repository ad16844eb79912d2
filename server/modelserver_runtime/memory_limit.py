"""Loading under a limit of memory: what does not fit fails with a word, and not by a kill."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARE = 0.9
"""
Of the container's memory, what loading may use.

The rest is for what others need meanwhile: probes, the log, pages of files that the kernel counts.
"""

LEAST_BYTES = 16 * 1024 * 1024
"""Room without which nothing is tried: libraries end the process that has nothing left for them."""

CONTROL_GROUPS = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # version 1 writes the largest number of pages where there is none


@contextmanager
def limited_memory(limit_bytes: int | None) -> Iterator[None]:
    """
    Let this process grow to 90 % of *limit_bytes*, and raise MemoryError beyond.

    What is limited is private memory that can be written (RLIMIT_DATA), not the whole address
    space: 150 MB of libraries' code are mapped and most of it is never read. Of what can be written
    much is not in use either when loading begins, 120 MB against 46 MB resident: stacks of threads,
    arenas, buffers of BLAS. So the limit is what is mapped now, and on top of it what is left
    between what is resident now and the 90 %. Inside, imports should be rare: count anew after
    them.

    The whole process is limited, other threads with it. Nothing is, where there is no limit.

    Raises:
        MemoryError: there is no room even to begin.
    """
    if limit_bytes is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    _, resident, _, _, _, data, _ = map(int, Path("/proc/self/statm").read_text().split())
    page = os.sysconf("SC_PAGE_SIZE")
    room = int(SHARE * limit_bytes) - resident * page
    if room < LEAST_BYTES:
        raise MemoryError
    wanted = data * page + room
    known = [limit for limit in (wanted, *before) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(known), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def container_memory_bytes(
    root: Path = CONTROL_GROUPS, membership: Path = Path("/proc/self/cgroup")
) -> int | None:
    """
    The least memory that a control group around this process allows; None without a limit.

    Args:
        root: where control groups are mounted. In a container that is its own group.
        membership: says in which groups this process is.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    limits = [_limit_in(root / "memory.max"), _limit_in(root / "memory/memory.limit_in_bytes")]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            limits += _limits_along(root, path, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits_along(root / "memory", path, "memory.limit_in_bytes")
    return min((limit for limit in limits if limit is not None), default=None)


def _limits_along(root: Path, path: str, name: str) -> list[int | None]:
    """Limits of a group and of those around it; a group outside of our mount is not there."""
    group = root / path.strip("/")
    return [_limit_in(each / name) for each in (group, *group.parents) if each.is_relative_to(root)]


def _limit_in(file: Path) -> int | None:
    try:
        limit = int(file.read_text())
    except (OSError, ValueError):  # ValueError: "max"
        return None
    return limit if limit < _NO_LIMIT else None
