"""One file over a network that fails: taken up where it broke off, within bytes and time."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from modelserver_runtime.errors import FetchFailed, SourceTooLarge
from modelserver_runtime.fetching.progress import Progress

log = structlog.get_logger()

CHUNK_BYTES: Final = 64 * 1024
_FAILURES_IN_A_ROW: Final = 6
"""Then the process ends and says why; in a pod the kubelet starts it again."""
_FIRST_PAUSE_SECONDS: Final = 0.5  # doubled each time
_LONGEST_PAUSE_SECONDS: Final = 15.0
_GUARD_SECONDS: Final = 1.0
"""Later than the deadline, which ends things in order where it is looked at."""


class Interrupted(Exception):
    """
    What may go better the next time.

    Args:
        sentence: what happened.
        pause_seconds: how long the source asks to wait.
        start_over: whether what has come so far is of no use.
    """

    def __init__(
        self, sentence: str, *, pause_seconds: float = 0.0, start_over: bool = False
    ) -> None:
        super().__init__(sentence)
        self.pause_seconds = pause_seconds
        self.start_over = start_over


@dataclass(frozen=True)
class Part:
    """
    What a source answers.

    Args:
        start: how many bytes of the file come before it.
        total: bytes of the whole file, None where nobody says.
        version: what tells this file from another of the same name; None: nothing does, so that
            it cannot be taken up where it broke off.
        chunks: the bytes.
    """

    start: int
    total: int | None
    version: str | None
    chunks: Iterator[bytes]


Opener = Callable[[int, str | None], AbstractContextManager[Part]]
"""
Asks for a file, given how many bytes are here already and of which version.

Raises `Interrupted` for what may pass, `LoadError` for what does not.
"""


Guard = Callable[[float], AbstractContextManager[object]]
"""Ends the process unless what it returns is left within so many seconds."""


class Deadline:
    """
    The moment by which all must be done.

    Args:
        seconds: from now on.
        clock: seconds that only grow.
        sleep: waits so long.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._ends = clock() + seconds

    def left(self) -> float:
        """
        How many seconds are left.

        Raises:
            FetchFailed: none.
        """
        left = self._ends - self._clock()
        if left <= 0:
            raise FetchFailed(f"not fetched within {self._seconds:g} seconds")
        return left

    def wait(self, seconds: float) -> bool:
        """Wait, if there is time for that and more; say whether there was."""
        if seconds >= self.left():
            return False
        self._sleep(seconds)
        return True


@dataclass
class Transfer:
    """
    How much may be fetched, and how long that may take.

    Args:
        max_bytes: of each file, and as much again of what an archive unpacks to. A source of
            several files sees to their sum. What comes again after a retry is not counted twice.
        deadline: for all of it.
        progress: where it is counted.
        guard: for what hangs where no deadline is looked at: a handshake, headers that drip.
    """

    max_bytes: int
    deadline: Deadline
    progress: Progress = field(default_factory=Progress)
    guard: Guard = nullcontext

    def receive(self, opener: Opener, path: Path, *, limit: int | None = None) -> int:
        """
        Write a file to *path*; return how many bytes it has.

        Args:
            opener: asks for it.
            path: does not exist yet.
            limit: bytes that this file may have, where that is less than may be fetched in all.

        Raises:
            LoadError.
        """
        most = self.max_bytes if limit is None else min(limit, self.max_bytes)
        version: str | None = None
        failures = 0
        with path.open("xb") as file, self.guard(self.deadline.left() + _GUARD_SECONDS):
            while True:
                before = file.tell()
                try:
                    with opener(before if version is not None else 0, version) as part:
                        version = part.version
                        self._copy(part, file, most)
                    return file.tell()
                except Interrupted as error:
                    failures = 1 if file.tell() > before else failures + 1
                    if error.start_over:
                        version = None
                    self._try_again(error, failures)

    def _copy(self, part: Part, file: BinaryIO, most: int) -> None:
        if part.total is not None and part.total > most:
            raise SourceTooLarge(f"it has {part.total} bytes, and may have {most}")
        if self.progress.total is None:
            self.progress.total = part.total
        file.seek(part.start)
        file.truncate()
        for chunk in part.chunks:
            self.deadline.left()
            if file.tell() + len(chunk) > most:
                raise SourceTooLarge(f"it has more than the {most} bytes that it may have")
            file.write(chunk)
            self.progress.add(len(chunk))
        if part.total is not None and file.tell() < part.total:
            raise Interrupted(f"the connection was closed {part.total - file.tell()} bytes early")

    def _try_again(self, error: Interrupted, failures: int) -> None:
        """Wait longer each time, and not all pods equally long."""
        doubled = _FIRST_PAUSE_SECONDS * 2 ** (failures - 1)
        pause = random.uniform(0.5, 1.0) * min(doubled, _LONGEST_PAUSE_SECONDS)  # noqa: S311 - no secret
        pause = max(pause, min(error.pause_seconds, _LONGEST_PAUSE_SECONDS))
        if failures >= _FAILURES_IN_A_ROW or not self.deadline.wait(pause):
            raise FetchFailed(str(error)) from error
        log.warning("trying again", why=str(error), failures=failures)
