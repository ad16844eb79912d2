"""A queue of keys: each waits once, none runs twice at a time, failures back off one by one."""

import asyncio
import random
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

_PATIENCE: Final = 0.1
"""What has failed for long is tried less often: after a tenth of the time it has been failing."""


class _Wait(NamedTuple):
    since: float
    last_added: float


@dataclass
class _Failing:
    since: float
    times: int = 0


class Workqueue(Generic[K]):
    """
    The semantics of client-go's work queue, for asyncio, and quiet between the runs of a key.

    A key that has rested runs at once. One that ran just now waits until nothing has been added
    for a moment: a resource that is edited a hundred times in a second costs two runs.

    Args:
        base_seconds: the first retry's delay; each further one doubles it.
        cap_seconds: the longest delay between retries, until the failure has lasted ten times
            that long.
        longest_seconds: the longest delay between retries of what keeps failing.
        seldom_seconds: the longest delay between retries of what needs a person.
        quiet_seconds: how long nothing may have been added before a key runs again.
        impatient_seconds: how long a key waits at most, however often it is added.
        scale: multiplies the delays of retries.
    """

    def __init__(  # noqa: PLR0913 - each is a time of its own
        self,
        *,
        base_seconds: float = 0.1,
        cap_seconds: float = 6.0,
        longest_seconds: float = 60.0,
        seldom_seconds: float = 240.0,
        quiet_seconds: float = 0.3,
        impatient_seconds: float = 2.5,
        scale: float = 1.0,
    ) -> None:
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: dict[K, _Wait] = {}
        self._running: dict[K, float] = {}
        self._resting: dict[K, asyncio.TimerHandle] = {}
        self._planned: dict[K, asyncio.TimerHandle] = {}
        self._failing: dict[K, _Failing] = {}
        self._base, self._cap = base_seconds * scale, cap_seconds * scale
        self._longest, self._seldom = longest_seconds * scale, seldom_seconds * scale
        self._quiet, self._impatient = quiet_seconds, impatient_seconds

    def __len__(self) -> int:
        """Keys that wait for a worker, those planned for later not counted."""
        return len(self._waiting)

    def oldest_seconds(self) -> float:
        """How long the key that waits longest has waited."""
        first = next(iter(self._waiting.values()), None)
        return 0.0 if first is None else _now() - first.since

    def slowest_seconds(self) -> float:
        """How long the run that began first has taken."""
        began = next(iter(self._running.values()), None)
        return 0.0 if began is None else _now() - began

    def add(self, key: K) -> None:
        """Have *key* run soon; once, however often it is added before that run starts."""
        now = _now()
        waiting = self._waiting.get(key)
        self._waiting[key] = _Wait(waiting.since if waiting else now, now)
        if waiting is None and key not in self._running and key not in self._resting:
            self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have *key* run in *seconds*, or earlier if something earlier is planned."""
        loop = asyncio.get_running_loop()
        planned = self._planned.get(key)
        if planned is not None:
            if planned.when() <= loop.time() + seconds:
                return
            planned.cancel()
        self._planned[key] = loop.call_later(seconds, self._due, key)

    def retry(self, key: K, *, at_least_seconds: float = 0.0, seldom: bool = False) -> float:
        """
        Have *key* run again after its own backoff; return the delay in seconds.

        Where it is to be tried *seldom*, the delay goes on doubling past the cap.
        The jitter (a fifth up or down) keeps keys that failed together from coming back together.
        """
        failing = self._failing.setdefault(key, _Failing(_now()))
        patience = max(self._cap, min(self._longest, _PATIENCE * (_now() - failing.since)))
        longest = self._seldom if seldom else patience
        delay = min(longest, self._base * 2.0 ** min(failing.times, 16))
        failing.times += 1
        delay = max(delay * random.uniform(0.8, 1.2), at_least_seconds)  # noqa: S311 - no secret
        self.add_after(key, delay)
        return delay

    def forget_failures(self, key: K) -> None:
        """The next retry of *key* starts from the first delay again."""
        self._failing.pop(key, None)

    async def get(self) -> K:
        """Wait for a key and mark it as running; `done` must follow."""
        key = await self._ready.get()
        self._waiting.pop(key, None)
        self._running[key] = _now()
        return key

    def done(self, key: K) -> None:
        """The run of *key* has ended; what was added meanwhile may start when it has rested."""
        self._running.pop(key, None)
        self._rest(key, self._quiet)

    def clear(self) -> None:
        """Forget every key that does not run, and every plan and failure."""
        for timer in self._planned.values():
            timer.cancel()
        self._planned.clear()
        self._failing.clear()
        self._waiting.clear()
        while not self._ready.empty():
            self._ready.get_nowait()

    def _rest(self, key: K, seconds: float) -> None:
        self._resting[key] = asyncio.get_running_loop().call_later(seconds, self._rested, key)

    def _rested(self, key: K) -> None:
        del self._resting[key]
        waiting = self._waiting.get(key)
        if waiting is None:
            return
        now = _now()
        left = min(
            waiting.last_added + self._quiet - now,  # until it has been quiet
            waiting.since + self._impatient - now,  # or has waited long enough
        )
        if left > 0:
            self._rest(key, left)
        else:
            self._ready.put_nowait(key)

    def _due(self, key: K) -> None:
        self._planned.pop(key, None)
        self.add(key)


def _now() -> float:
    return asyncio.get_running_loop().time()
