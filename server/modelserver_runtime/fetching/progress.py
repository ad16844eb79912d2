"""How far a fetch is, as log lines for whoever waits for the pod."""

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

_SECONDS_BETWEEN = 1.0


class Progress:
    """
    Counts bytes, and says so at most once a second.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._said = clock()
        self._bytes = 0
        self.total: int | None = None
        """Bytes to come in all, as far as the source has said."""

    def add(self, received: int) -> None:
        """Count what has come; what comes a second time because of a retry counts again."""
        self._bytes += received
        if self._clock() - self._said >= _SECONDS_BETWEEN:
            self._said = self._clock()
            self._say("fetching")

    def end(self) -> None:
        """Say what it has come to."""
        self._say("fetched")

    def _say(self, event: str) -> None:
        seconds = self._clock() - self._began
        rate = round(self._bytes / seconds) if seconds > 0 else None
        log.info(
            event,
            bytes=self._bytes,
            total=self.total,
            bytes_per_second=rate,
            seconds=round(seconds, 3),
        )
