"""The time of day as every answer writes it."""

from datetime import UTC, datetime


def timestamp() -> str:
    """Now, ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
