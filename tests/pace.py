"""How much more slowly this machine computes than the one that the budgets were set on."""

import time
from collections.abc import Callable
from statistics import mean
from typing import Final

REFERENCE_SECONDS: Final = 0.024
"""What `computed` took there, the mean over a whole run of all tests."""

MOST: Final = 1.5
"""A machine that is slower still is too slow to say anything of what takes long."""

_EVERY_SECONDS: Final = 20.0


def computed() -> float:
    """Do always the same; how many seconds of the processor it took."""
    began = time.process_time()
    total = 0
    for number in range(200_000):
        total += number
    return time.process_time() - began


class Pace:
    """
    Samples over a whole run: one machine is not equally fast at all times.

    Args:
        measure: what is compared with the reference, in seconds.
        every_seconds: between two samples, at least.
    """

    def __init__(
        self, measure: Callable[[], float] = computed, every_seconds: float = _EVERY_SECONDS
    ) -> None:
        self._measure = measure
        self._every_seconds = every_seconds
        self._samples: list[float] = []
        self._next_at = 0.0

    def look(self) -> None:
        """Take a sample, if it is time for one."""
        if time.monotonic() >= self._next_at:
            self._samples.append(self._measure())
            self._next_at = time.monotonic() + self._every_seconds

    @property
    def slowness(self) -> float:
        """Between 1, also for a faster machine, and `MOST`."""
        if not self._samples:
            return 1.0
        return min(max(1.0, mean(self._samples) / REFERENCE_SECONDS), MOST)
