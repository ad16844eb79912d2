"""A queue of keys: each waits once, none runs twice at a time, failures back off one by one."""

import asyncio
import random
from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Workqueue(Generic[K]):
    """
    The semantics of client-go's work queue, for asyncio.

    Args:
        base_seconds: the first retry's delay; each further one doubles it.
        cap_seconds: the longest delay between retries.
    """

    def __init__(self, *, base_seconds: float = 0.1, cap_seconds: float = 10.0) -> None:
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: dict[K, float] = {}
        self._running: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: Counter[K] = Counter()
        self._base, self._cap = base_seconds, cap_seconds

    def __len__(self) -> int:
        """Keys that wait for a worker, those planned for later not counted."""
        return len(self._waiting)

    def oldest_seconds(self) -> float:
        """How long the key that waits longest has waited."""
        since = next(iter(self._waiting.values()), None)
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    def add(self, key: K) -> None:
        """Have *key* run soon; once, however often it is added before that run starts."""
        if key in self._waiting:
            return
        self._waiting[key] = asyncio.get_running_loop().time()
        if key not in self._running:
            self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have *key* run in *seconds*, or earlier if something earlier is planned."""
        loop = asyncio.get_running_loop()
        planned = self._timers.get(key)
        if planned is not None:
            if planned.when() <= loop.time() + seconds:
                return
            planned.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def retry(self, key: K, *, at_least_seconds: float = 0.0) -> float:
        """
        Have *key* run again after its own backoff; return the delay in seconds.

        The jitter (a fifth up or down) keeps keys that failed together from coming back together.
        """
        exponent = min(self._failures[key], 16)
        self._failures[key] += 1
        delay = min(self._cap, self._base * 2.0**exponent) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        delay = max(delay, at_least_seconds)
        self.add_after(key, delay)
        return delay

    def forget_failures(self, key: K) -> None:
        """The next retry of *key* starts from the first delay again."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Wait for a key and mark it as running; `done` must follow."""
        key = await self._ready.get()
        self._waiting.pop(key, None)
        self._running.add(key)
        return key

    def done(self, key: K) -> None:
        """The run of *key* has ended; what was added meanwhile may start."""
        self._running.discard(key)
        if key in self._waiting:
            self._ready.put_nowait(key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
