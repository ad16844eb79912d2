"""Objects under one global resourceVersion, with the history that watches replay."""

import asyncio
import base64
import copy
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from apiserver.failures import Refused
from apiserver.resources import Body, Resource
from apiserver.selectors import Selector

Key = tuple[str, str]
"""Namespace (empty for what has none) and name."""


class Change(NamedTuple):
    """One write: the object before and after it; stored objects are never changed in place."""

    revision: int
    resource: Resource
    before: Body | None
    after: Body | None
    final: Body
    """What a watcher gets to see: `after`, or the last state of what was deleted."""


class Watcher:
    """One watch: the changes that pass its selector, as (type, object) pairs."""

    def __init__(self, resource: Resource, namespace: str | None, selector: Selector) -> None:
        self.resource = resource
        self.namespace = namespace
        self._selector = selector
        self.queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    def selects(self, body: Body) -> bool:
        """Tell whether *body* lies in the watched namespace and passes the selector."""
        namespace = body["metadata"].get("namespace", "")
        return self.namespace in (None, namespace) and self._selector(body)

    def offer(self, change: Change) -> None:
        """Queue the event this watcher sees of *change*: an object may enter or leave its view."""
        if change.resource is not self.resource:
            return
        was = change.before is not None and self.selects(change.before)
        is_ = change.after is not None and self.selects(change.after)
        if was or is_:
            kind = "DELETED" if not is_ else "MODIFIED" if was else "ADDED"
            self.queue.put_nowait((kind, change.final))


class Storage:
    """
    All objects of the cluster.

    Attributes:
        listeners: called after each write, in the same turn of the event loop.
    """

    def __init__(self) -> None:
        self.revision = 1
        self.listeners: list[Callable[[Change], None]] = []
        self.watchers: set[Watcher] = set()
        self._objects: dict[Resource, dict[Key, Body]] = {}
        self._history: deque[Change] = deque(maxlen=100_000)
        self._compacted = 0
        self._snapshots: dict[str, tuple[list[Body], int]] = {}

    def get(self, resource: Resource, key: Key) -> Body | None:
        """Read one object; it must not be changed."""
        return self._objects.get(resource.storage, {}).get(key)

    def all(self, resource: Resource) -> list[Body]:
        """Read the objects of one kind in the order of their keys."""
        return [body for _, body in sorted(self._objects.get(resource.storage, {}).items())]

    def resources(self) -> list[Resource]:
        """Name the kinds that have objects."""
        return [resource for resource, objects in self._objects.items() if objects]

    def commit(self, resource: Resource, key: Key, body: Body | None) -> Body:
        """Store *body* under the next revision, or delete what is there; returns what was seen."""
        resource = resource.storage
        objects = self._objects.setdefault(resource, {})
        before = objects.get(key)
        self.revision += 1
        final = copy.copy(body if body is not None else before or {})
        final["metadata"] = {**final["metadata"], "resourceVersion": str(self.revision)}
        if body is None:
            del objects[key]
        else:
            objects[key] = final
        after = None if body is None else final
        change = Change(self.revision, resource, before, after, final)
        if len(self._history) == self._history.maxlen:
            self._compacted = self._history[0].revision
        self._history.append(change)
        for watcher in self.watchers:
            watcher.offer(change)
        for listener in self.listeners:
            listener(change)
        return final

    def compact(self) -> None:
        """Forget the history: older resourceVersions and continue tokens answer 410 from now on."""
        self._history.clear()
        self._snapshots.clear()
        self._compacted = self.revision

    def page(
        self, found: Callable[[], list[Body]], limit: int, token: str
    ) -> tuple[list[Body], int, str, int]:
        """
        Cut a listing into pages that all show the same moment.

        Returns:
            The objects, the revision of the listing, the token for more, and how many remain.
        """
        if token:
            if token not in self._snapshots:
                raise Refused(
                    410,
                    "The provided continue parameter is too old to display a consistent list result"
                    ". You must start a new list without the continue parameter.",
                )
            items, revision = self._snapshots[token]
        else:
            items, revision = found(), self.revision
        if not limit or len(items) <= limit:
            return items, revision, "", 0
        rest = items[limit:]
        more = base64.urlsafe_b64encode(
            f"{revision}/{len(self._snapshots)}/{len(rest)}".encode()
        ).decode()
        self._snapshots[more] = (rest, revision)
        return items[:limit], revision, more, len(rest)

    def replay(self, watcher: Watcher, since: int) -> None:
        """Queue what happened after *since*; raises `Refused` (410) where that is forgotten."""
        if since < self._compacted:
            raise Refused(410, f"too old resource version: {since} ({self._compacted})")
        newest_first = reversed(self._history)
        missed = itertools.takewhile(lambda change: change.revision > since, newest_first)
        for change in reversed([*missed]):
            watcher.offer(change)
