"""Garbage collection as the controller manager does it, without its pauses."""

import asyncio
from collections.abc import Callable

from apiserver.resources import Body, Resource
from apiserver.storage import Change, Storage

Delete = Callable[[Resource, Body], None]


class GarbageCollector:
    """
    Deletes objects whose owners are all gone, soon after the last owner went.

    Args:
        storage: whose objects are collected.
        delete: deletes one object as a client would, finalizers respected.

    Attributes:
        enabled: while False garbage stays; `collect` still works by hand.
        delay_seconds: how long after a deletion the collector looks.
    """

    def __init__(self, storage: Storage, delete: Delete) -> None:
        self.enabled = True
        self.delay_seconds = 0.0
        self._storage = storage
        self._delete = delete
        self._scheduled: asyncio.TimerHandle | None = None
        storage.listeners.append(self._saw)

    def _saw(self, change: Change) -> None:
        metadata = change.final["metadata"]
        created_with_owner = change.before is None and metadata.get("ownerReferences")
        deleted = change.after is None or "deletionTimestamp" in metadata
        if self.enabled and self._scheduled is None and (created_with_owner or deleted):
            loop = asyncio.get_running_loop()
            self._scheduled = loop.call_later(self.delay_seconds, self._run)

    def stop(self) -> None:
        """Forget what is scheduled."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None

    def _run(self) -> None:
        self._scheduled = None
        if self.enabled:
            self.collect()

    def collect(self) -> int:
        """Delete all garbage there is now; returns how many objects went."""
        gone = 0
        while doomed := self._garbage():
            for resource, body in doomed:
                self._delete(resource, body)
            gone += len(doomed)
        return gone

    def _garbage(self) -> list[tuple[Resource, Body]]:
        objects = [
            (resource, body)
            for resource in self._storage.resources()
            for body in self._storage.all(resource)
        ]
        alive = {
            body["metadata"]["uid"]
            for _, body in objects
            if "foregroundDeletion" not in body["metadata"].get("finalizers", ())
        }
        owners = {
            reference["uid"]
            for _, body in objects
            for reference in body["metadata"].get("ownerReferences", ())
        }
        return [
            (resource, body)
            for resource, body in objects
            if _is_orphan(body, alive) or _waits_for_nobody(body, owners)
        ]


def _is_orphan(body: Body, alive: set[str]) -> bool:
    metadata = body["metadata"]
    references = metadata.get("ownerReferences", ())
    already_going = "deletionTimestamp" in metadata
    return bool(
        references
        and not already_going
        and not any(reference["uid"] in alive for reference in references)
    )


def _waits_for_nobody(body: Body, owners: set[str]) -> bool:
    metadata = body["metadata"]
    return (
        metadata.get("finalizers") == ["foregroundDeletion"]
        and "deletionTimestamp" in metadata
        and metadata["uid"] not in owners
    )
