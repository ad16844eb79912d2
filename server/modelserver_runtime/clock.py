"""The time of day as every answer writes it."""

import time
from datetime import UTC, datetime
from functools import lru_cache


def timestamp() -> str:
    """Now, ISO 8601 in UTC, to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    second, rest = divmod(milliseconds, 1000)
    return f"{_second(second)}.{rest:03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
