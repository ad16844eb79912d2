"""
Reads what others wrote: a value that is missing or of another type than expected is absent.

A status comes from whichever version of Kubernetes runs; none of them may stop a reconcile.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

_INT32_MAX: Final = 2**31 - 1


def mapping(body: Any, *path: str) -> Mapping[str, Any]:
    """Read the object at *path*; empty if there is none."""
    found = _at(body, path)
    return found if isinstance(found, Mapping) else {}


def entries(body: Any, *path: str) -> list[Mapping[str, Any]]:
    """Read the list of objects at *path*, without what is not an object."""
    found = _at(body, path)
    return [entry for entry in found if isinstance(entry, Mapping)] if _is_list(found) else []


def text(body: Any, *path: str) -> str:
    """Read the string at *path*; empty if there is none."""
    found = _at(body, path)
    return found if isinstance(found, str) else ""


def count(body: Any, *path: str) -> int:
    """Read the number at *path*, as a count of pods: 0 if there is none."""
    found = _at(body, path)
    if isinstance(found, bool) or not isinstance(found, int):
        return 0
    return min(max(found, 0), _INT32_MAX)


def time(body: Any, *path: str) -> datetime | None:
    """Read the time at *path*, in UTC; None if there is none."""
    try:
        found = datetime.fromisoformat(text(body, *path))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def condition(body: Any, name: str) -> Mapping[str, Any]:
    """Read the condition of type *name* in the status of *body*; empty if there is none."""
    found = entries(body, "status", "conditions")
    return next((each for each in found if each.get("type") == name), {})


def controller_uid(body: Any) -> str | None:
    """Read the uid of the object that controls *body*."""
    for reference in entries(body, "metadata", "ownerReferences"):
        if reference.get("controller") is True:
            return text(reference, "uid") or None
    return None


def _at(body: Any, path: Iterable[str]) -> Any:
    for name in path:
        if not isinstance(body, Mapping):
            return None
        body = body.get(name)
    return body


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
