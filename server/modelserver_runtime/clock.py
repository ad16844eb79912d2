"""The time of day as every answer writes it."""

import time
from datetime import UTC, datetime
from functools import lru_cache


def timestamp() -> str:
    """Now, ISO 8601 in UTC, to the millisecond."""
    return _written(time.time_ns() // 1_000_000)


@lru_cache(maxsize=4)  # a busy server answers many requests in one millisecond
def _written(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
