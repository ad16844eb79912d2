"""Notices that mounted files were replaced, without asking at every request."""

from collections.abc import Callable, Sequence
from pathlib import Path

from modelserver_runtime.errors import SettingError

CHECK_SECONDS = 1.0

Stamp = tuple[tuple[int, int, int], ...]


class ChangingFiles:
    """
    Files that a Secret's volume replaces by swapping a link.

    Args:
        paths: the files.
        clock: seconds, growing.

    Raises:
        SettingError: one cannot be read.
    """

    def __init__(self, paths: Sequence[Path], clock: Callable[[], float]) -> None:
        self._paths = paths
        self._clock = clock
        self._looked = clock()
        self._taken = self._now()
        self._found = self._taken

    def have_changed(self) -> bool:
        """
        Tell, at most once a second, whether the files are others than those `taken`.

        Raises:
            SettingError: one cannot be read.
        """
        now = self._clock()
        if now - self._looked < CHECK_SECONDS:
            return False
        self._looked = now
        self._found = self._now()
        return self._found != self._taken

    def taken(self) -> None:
        """What was found last has been read and is in use."""
        self._taken = self._found

    def _now(self) -> Stamp:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from error
    return status.st_ino, status.st_mtime_ns, status.st_size
