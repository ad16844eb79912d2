"""Which children must be looked up, applied or deleted so that what is becomes what should be."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modelserver_operator import labels, lenient
from modelserver_operator.api import ModelServer
from modelserver_operator.children import Child, Desired
from modelserver_operator.drift import covers
from modelserver_operator.errors import ChildRefused
from modelserver_operator.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    REPLICA_SET,
)
from modelserver_operator.ownership import Owner, owner_of
from modelserver_operator.store import ChildId, Observed


@dataclass(frozen=True)
class Apply:
    """
    A child whose live object, if there is one, differs from *desired*.

    Args:
        child: which kind, and what it needs.
        desired: the whole set of fields that are ours, hash included.
        live: what was last seen of it; None means "look first: it may be someone else's".
    """

    child: Child
    desired: dict[str, Any]
    live: dict[str, Any] | None

    @property
    def repairs(self) -> bool:
        """Tell whether somebody changed what we had applied: nothing new is wanted of it."""
        return self.live is not None and _applied_hash(self.live) == _applied_hash(self.desired)


@dataclass(frozen=True)
class Impossible:
    """A child that is asked for and cannot exist here: what there is of it stays."""

    child: Child
    why: ChildRefused


@dataclass(frozen=True)
class Delete:
    """A child of ours that nothing asks for any more."""

    live: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """
    What to write, in this order.

    Args:
        removals: what the spec no longer asks for. An autoscaler goes before the Deployment gets
            a count of ours, or both would set it.
        applies: what differs or cannot be.
        autoscalers: what scales the Deployment by its name, and so would scale a stranger's: it
            goes if the name turns out to be taken.
        old_settings: what no pod reads any more: after the Deployment has got its new ones.
    """

    removals: tuple[Delete, ...] = ()
    applies: tuple[Apply | Impossible, ...] = ()
    autoscalers: tuple[Delete, ...] = ()
    old_settings: tuple[Delete, ...] = ()

    @property
    def repairs(self) -> tuple[str, ...]:
        """The kinds of children that somebody has changed."""
        return tuple(
            step.child.kind.name
            for step in self.applies
            if isinstance(step, Apply) and step.repairs
        )


def make_plan(server: ModelServer, desired: Sequence[Desired], observed: Observed) -> Plan:
    """
    Compare what *server* should have with what was seen.

    Source: the rules in `docs/architecture.md`; nothing is written where nothing differs.
    """
    applies = tuple(_applies(server, desired, observed))
    ours = {  # to delete: what has our uid as its controller, never what merely carries a label
        child_id: live
        for child_id, live in observed.children.items()
        if lenient.controller_uid(live) == server.uid
        and "deletionTimestamp" not in live["metadata"]
    }
    garbage = [live for child_id, live in ours.items() if not _wanted(child_id, desired)]
    return Plan(
        removals=tuple(Delete(live) for live in garbage if live["kind"] != CONFIG_MAP.name),
        applies=applies,
        autoscalers=tuple(
            Delete(live)
            for child_id, live in ours.items()
            if child_id.kind == HORIZONTAL_POD_AUTOSCALER.name and _wanted(child_id, desired)
        ),
        old_settings=tuple(
            Delete(live)
            for live in garbage
            if live["kind"] == CONFIG_MAP.name and not _still_read(live, observed)
        ),
    )


def matches(live: dict[str, Any], desired: dict[str, Any]) -> bool:
    """
    Tell whether *live* is what applying *desired* would leave.

    The hash tells of fields that were dropped, which a comparison of what is left cannot see.
    """
    return _applied_hash(live) == _applied_hash(desired) and covers(live, desired)


def _applies(
    server: ModelServer, desired: Sequence[Desired], observed: Observed
) -> Iterator[Apply | Impossible]:
    for child, wanted in desired:
        if isinstance(wanted, ChildRefused):
            yield Impossible(child, wanted)
            continue
        body = _with_hash(wanted)
        live = observed.children.get(_id_of(body))
        if live is None or owner_of(live, server) is not Owner.US:
            yield Apply(child, body, None)
        elif not matches(live, body):
            yield Apply(child, body, live)


def _wanted(child_id: ChildId, desired: Sequence[Desired]) -> bool:
    return any(
        child.kind.name == child_id.kind
        if isinstance(wanted, ChildRefused)
        else _id_of(wanted) == child_id
        for child, wanted in desired
    )


def _id_of(body: dict[str, Any]) -> ChildId:
    return ChildId(body["kind"], body["metadata"]["name"])


def _with_hash(body: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    metadata = body["metadata"]
    annotations = {**metadata.get("annotations", {}), labels.APPLIED_HASH: digest}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def _applied_hash(body: dict[str, Any]) -> str | None:
    applied: str | None = body["metadata"].get("annotations", {}).get(labels.APPLIED_HASH)
    return applied


def _still_read(settings: dict[str, Any], observed: Observed) -> bool:
    """Tell whether a pod, or a rollback to its template, may need *settings*."""
    deployment = next(
        (body for (kind, _), body in observed.children.items() if kind == DEPLOYMENT.name), None
    )
    owners = [*observed.replica_sets, *([] if deployment is None else [deployment])]
    return any(settings["metadata"]["name"] in _config_maps_of(owner) for owner in owners)


def _config_maps_of(owner: dict[str, Any]) -> set[str]:
    in_use = owner["kind"] != REPLICA_SET.name or owner["spec"].get("replicas", 1) > 0
    if not in_use:
        return set()
    containers = owner["spec"]["template"]["spec"]["containers"]
    sources = [source for container in containers for source in container.get("envFrom", ())]
    return {s["configMapRef"]["name"] for s in sources if "configMapRef" in s}
