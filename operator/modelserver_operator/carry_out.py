"""Carries out a plan: one write a child, each refusal turned into a problem, the others go on."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children import CHILDREN
from modelserver_operator.children.replicas import (
    hand_over,
    replicas_to_hand_over,
    start_replicas,
)
from modelserver_operator.conditions import Problem
from modelserver_operator.errors import ChildRefused, StalePicture
from modelserver_operator.kinds import DEPLOYMENT, Kind
from modelserver_operator.ownership import Owner, owner_of
from modelserver_operator.plan import Apply, Delete, Impossible, Plan
from modelserver_operator.store import Store

_GARBAGE_SECONDS: Final = 2.0
_MAY_BE_IN_THE_WAY: Final = frozenset({"InvalidSpec", "ImmutableField"})
_EXCLUDES: Final[Mapping[tuple[str, str], str]] = {
    ("spec", "maxUnavailable"): "minAvailable",
    ("spec", "minAvailable"): "maxUnavailable",
    ("seccompProfile", "type"): "localhostProfile",
}
"""
Which field may not stand beside which, by the object they are in: a disruption budget has one of
the limits, a seccomp profile of our type no file.
"""

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
        """Set what *spec* says in the object *live*, lists as a whole; None removes a field."""

    async def delete(self, kind: Kind, live: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Delete exactly the object *live*; return what a finalizer holds of it."""


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
    held_back, taken = set[Kind](), set[Kind]()
    writes, problems = await _delete(plan.removals, store, cluster)
    for step in plan.applies:
        kind, held = step.child.kind, bool(step.child.needs & held_back)
        try:
            if not held:
                writes += await _apply(step, server, store, cluster)
            elif kind == DEPLOYMENT:  # what scales it goes by its name
                await _see_whose(step, server, cluster)
        except ChildRefused as error:
            held = True
            problems.append(_problem(step, error))
            if error.reason == "NameConflict":
                taken.add(kind)
        if held:
            held_back.add(kind)
    last = () if DEPLOYMENT in held_back else plan.old_settings
    if DEPLOYMENT in taken:
        last = plan.autoscalers
    more, refused = await _delete(last, store, cluster)
    return writes + more, [*problems, *refused]


async def _delete(
    garbage: Iterable[Delete], store: Store, cluster: ChildWriter
) -> tuple[int, list[Problem]]:
    """Delete what is no longer wanted; return the writes and what was refused."""
    writes, problems = 0, list[Problem]()
    for step in garbage:
        kind, metadata = step.live["kind"], step.live["metadata"]
        try:
            held = await cluster.delete(_KINDS[kind], step.live)
        except ChildRefused as error:
            text = f"{kind} {metadata['name']}, which is not wanted any more: {error}"
            problems.append(Problem(error.reason, text))
            continue
        if held is None:
            store.drop(metadata["uid"])
        else:
            store.put(_KINDS[kind], held)
        writes += 1
    return writes, problems


async def _apply(
    step: Apply | Impossible, server: ModelServer, store: Store, cluster: ChildWriter
) -> int:
    """Create or change one child; return the writes it took."""
    if isinstance(step, Impossible):
        raise step.why
    try:
        live = step.live or await _look(step, server, cluster)
        if live is None:
            return await _create(step, server, store, cluster)
        return await _change(step, live, server, store, cluster)
    except StalePicture:
        await _look_again(step, server, store, cluster)
        raise


async def _create(step: Apply, server: ModelServer, store: Store, cluster: ChildWriter) -> int:
    """Apply a child that does not exist; a count that is to be somebody else's gets its start."""
    kind, body = step.child.kind, step.desired
    replicas = start_replicas(server) if kind == DEPLOYMENT else None
    if replicas is not None:
        body = _with(body, "spec", replicas=replicas)
    store.put(kind, await cluster.apply(kind, body))
    return 1


async def _change(
    step: Apply, live: dict[str, Any], server: ModelServer, store: Store, cluster: ChildWriter
) -> int:
    """Apply a child that exists, after its count has been taken hold of where we let it go."""
    kind, writes = step.child.kind, 1
    replicas = replicas_to_hand_over(server, live) if kind == DEPLOYMENT else None
    if replicas is not None:
        handed = hand_over(live, replicas)
        store.put(kind, await cluster.apply(kind, handed, manager=labels.HAND_OVER_MANAGER))
        writes += 1
    body = _with(step.desired, "metadata", uid=live["metadata"]["uid"])
    return writes + await _repair(kind, body, live, store, cluster)


async def _repair(
    kind: Kind, body: dict[str, Any], live: dict[str, Any], store: Store, cluster: ChildWriter
) -> int:
    """
    Apply to an object that exists; return the writes beyond the first.

    An apply merges: where somebody changed the port of our Service from 80 to 81, ours would come
    beside theirs, under the same name, and be refused; where he made our volume a hostPath, it
    would be two things at once. Then our spec's lists take the place of the live ones as a whole.
    """
    try:
        store.put(kind, await cluster.apply(kind, body))
    except ChildRefused as error:
        if error.reason not in _MAY_BE_IN_THE_WAY or "spec" not in body:
            raise
        await cluster.overwrite(kind, live, _alone("spec", body["spec"]))
        store.put(kind, await cluster.apply(kind, body))
        return 2
    return 0


def _alone(name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Take out of the object *name*, too, what may not stand beside what *wanted* sets in it."""
    others = [_EXCLUDES[name, field] for field in wanted if (name, field) in _EXCLUDES]
    return dict.fromkeys(others) | {
        field: _alone(field, value) if isinstance(value, dict) else value
        for field, value in wanted.items()
    }


async def _see_whose(step: Apply | Impossible, server: ModelServer, cluster: ChildWriter) -> None:
    """Have it said now where the name of a child that has to wait is taken."""
    if isinstance(step, Apply) and step.live is None:
        await _look(step, server, cluster)


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
        store.drop(step.live["metadata"]["uid"], int(step.live["metadata"]["resourceVersion"]))
    if fresh is not None and owner_of(fresh, server) is Owner.US:
        store.put(kind, fresh)


def _problem(step: Apply | Impossible, error: ChildRefused) -> Problem:
    name = f" {step.desired['metadata']['name']}" if isinstance(step, Apply) else ""
    waits = _GARBAGE_SECONDS if error.reason == "WaitingForGarbageCollection" else None
    return Problem(error.reason, f"{step.child.kind.name}{name}: {error}", waits)


def _with(body: dict[str, Any], part: str, **fields: Any) -> dict[str, Any]:
    return {**body, part: {**body[part], **fields}}
