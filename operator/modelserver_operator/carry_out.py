"""Carries out a plan: one write a child, each refusal turned into a problem, the others go on."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children import CHILDREN
from modelserver_operator.children.replicas import hand_over, start_replicas
from modelserver_operator.conditions import Problem
from modelserver_operator.errors import ChildRefused, StalePicture
from modelserver_operator.kinds import DEPLOYMENT, Kind
from modelserver_operator.ownership import Owner, owner_of
from modelserver_operator.plan import Apply, Plan
from modelserver_operator.store import Store

_GARBAGE_SECONDS: Final = 2.0
_KINDS: Final[Mapping[str, Kind]] = {child.kind.name: child.kind for child in CHILDREN}


class ChildWriter(Protocol):
    """What carrying out a plan asks of the API server."""

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """Read one object; None where there is none."""

    async def apply(
        self, kind: Kind, body: dict[str, Any], *, manager: str = labels.FIELD_MANAGER
    ) -> dict[str, Any]:
        """Apply *body* on the server's side; return the whole object."""

    async def overwrite(self, kind: Kind, live: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        """Set what *spec* says in the object *live*, lists as a whole."""

    async def delete(self, kind: Kind, live: Mapping[str, Any]) -> None:
        """Delete exactly the object *live*."""


async def carry_out(
    plan: Plan, server: ModelServer, store: Store, cluster: ChildWriter
) -> tuple[int, list[Problem]]:
    """
    Write what *plan* says, and put every answer into *store*.

    Returns:
        How many writes were sent, and what was refused.

    Raises:
        ReconcileError: the API server gave no usable answer, or our picture is stale.
    """
    writes, refused, problems = 0, set[Kind](), list[Problem]()
    for step in plan.applies:
        if step.child.needs & refused:
            continue
        try:
            writes += await _apply(step, server, store, cluster)
        except StalePicture:
            await _look_again(step, server, store, cluster)
            raise
        except ChildRefused as error:
            refused.add(step.child.kind)
            waits = _GARBAGE_SECONDS if error.reason == "WaitingForGarbageCollection" else None
            problems.append(Problem(error.reason, f"{_named(step)}: {error}", waits))
    for garbage in () if problems else plan.deletes:
        await cluster.delete(_KINDS[garbage.live["kind"]], garbage.live)
        store.drop(garbage.live["metadata"]["uid"])
        writes += 1
    return writes, problems


async def _apply(step: Apply, server: ModelServer, store: Store, cluster: ChildWriter) -> int:
    """Apply one child; return the writes it took."""
    kind = step.child.kind
    live = step.live or await _look(step, server, cluster)
    replicas = start_replicas(server, live) if kind == DEPLOYMENT else None
    writes, body = 1, step.desired
    if live is not None:
        if replicas is not None:
            handed = hand_over(live, replicas)
            store.put(kind, await cluster.apply(kind, handed, manager=labels.HAND_OVER_MANAGER))
            writes += 1
        body = _with(body, "metadata", uid=live["metadata"]["uid"])
        return writes + await _repair(kind, body, live, store, cluster)
    if replicas is not None:  # the count is set with the first write, then let go
        body = _with(body, "spec", replicas=replicas)
    made = await cluster.apply(kind, body)
    if replicas is not None:
        made = await cluster.apply(
            kind, hand_over(made, replicas), manager=labels.HAND_OVER_MANAGER
        )
        writes += 1
    store.put(kind, made)
    return writes


async def _repair(
    kind: Kind, body: dict[str, Any], live: dict[str, Any], store: Store, cluster: ChildWriter
) -> int:
    """
    Apply to an object that exists; return the writes beyond the first.

    An apply merges lists by their keys: where somebody changed the port of our Service from 80 to
    81, ours would come beside theirs, under the same name, and be refused. Then our spec's lists
    take the place of the live ones as a whole.
    """
    try:
        store.put(kind, await cluster.apply(kind, body))
    except ChildRefused as error:
        if error.reason != "InvalidSpec" or "spec" not in body:
            raise
        await cluster.overwrite(kind, live, body["spec"])
        store.put(kind, await cluster.apply(kind, body))
        return 2
    return 0


async def _look(step: Apply, server: ModelServer, cluster: ChildWriter) -> dict[str, Any] | None:
    """
    See who has the name before the first apply: an apply would take a stranger's object.

    The watch is label-selected and cannot tell. The moment between this look and the apply is
    described in `docs/decisions/0003-strangers.md`.
    """
    live = await cluster.get(step.child.kind, server.namespace, step.desired["metadata"]["name"])
    if live is None:
        return None
    match owner_of(live, server):
        case Owner.US:
            return {**live, "kind": step.child.kind.name, "apiVersion": step.child.kind.api_version}
        case Owner.PREDECESSOR:
            raise ChildRefused(
                "WaitingForGarbageCollection",
                "it belongs to a deleted ModelServer of this name and is about to be collected",
            )
        case _:
            raise ChildRefused(
                "NameConflict",
                "it exists and belongs to somebody else: rename the ModelServer, delete the "
                f"object, or hand it over with the annotation {labels.ADOPT}={server.name}",
            )


async def _look_again(step: Apply, server: ModelServer, store: Store, cluster: ChildWriter) -> None:
    """Replace what we believed of a child by what is there."""
    kind, name = step.child.kind, step.desired["metadata"]["name"]
    fresh = await cluster.get(kind, server.namespace, name)
    if step.live is not None and (
        fresh is None or fresh["metadata"]["uid"] != step.live["metadata"]["uid"]
    ):
        store.drop(step.live["metadata"]["uid"])
    if fresh is not None and owner_of(fresh, server) is Owner.US:
        store.put(kind, fresh)


def _named(step: Apply) -> str:
    return f"{step.child.kind.name} {step.desired['metadata']['name']}"


def _with(body: dict[str, Any], part: str, **fields: Any) -> dict[str, Any]:
    return {**body, part: {**body[part], **fields}}
