"""How many requests a second the operator allows itself."""

import asyncio


class TokenBucket:
    """
    Lets through *per_second* on average and *burst* at once; who comes first is served first.

    Args:
        per_second: requests a second; more than 0.
        burst: how many may go at once after a rest; at least 1.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1 / per_second
        self._depth = burst * self._interval
        self._next = 0.0

    async def take(self) -> float:
        """Wait for a turn; return how many seconds that took."""
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now - self._depth) + self._interval
        wait = self._next - now
        if wait > 0:
            await asyncio.sleep(wait)
        return max(0.0, wait)
