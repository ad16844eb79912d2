"""Field managers: who owns which field, and what an apply or an update makes of it."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from apiserver import fieldsets
from apiserver.failures import Refused
from apiserver.fieldsets import Path
from apiserver.resources import MAPS, Body, Resource

_SYSTEM_METADATA: Final = (
    "name",
    "namespace",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
)
_NOBODYS: Final[set[Path]] = {
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(("f:metadata", f"f:{name}") for name in _SYSTEM_METADATA),
}


class Manager(NamedTuple):
    """Who wrote, as one entry of managedFields tells writers apart."""

    operation: str
    name: str
    api_version: str
    subresource: str = ""


Owned = dict[Manager, tuple[set[Path], str]]
"""For each manager its paths, and when that last changed."""


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def owned(body: Body) -> Owned:
    """Read managedFields."""
    return {
        Manager(
            entry["operation"], entry["manager"], entry["apiVersion"], entry.get("subresource", "")
        ): (fieldsets.decoded(entry["fieldsV1"]), entry["time"])
        for entry in body["metadata"].get("managedFields", ())
    }


def write_owned(body: Body, owners: Owned) -> None:
    """Write managedFields in the API server's order: applies first, then by time and name."""
    entries = [
        {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.api_version,
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fieldsets.encoded(paths),
            **({"subresource": manager.subresource} if manager.subresource else {}),
        }
        for manager, (paths, time) in sorted(
            owners.items(), key=lambda pair: (pair[0].operation, pair[1][1], pair[0])
        )
        if paths
    ]
    body["metadata"]["managedFields"] = entries
    if not entries:
        del body["metadata"]["managedFields"]


def _bare(body: Body) -> Body:
    """Leave out what nobody owns."""
    metadata = {
        name: value
        for name, value in body.get("metadata", {}).items()
        if name not in _SYSTEM_METADATA
    }
    rest = {name: value for name, value in body.items() if name not in ("apiVersion", "kind")}
    return {**rest, "metadata": metadata}


def updated(live: Body, new: Body, resource: Resource, manager: Manager) -> Owned:
    """Owners after *manager* replaced *live* by *new*: what it changed is its own."""
    if "uid" in live["metadata"] and "managedFields" not in live["metadata"]:
        return {}  # an object nobody owns a field of is not tracked any more
    shape = resource.shape
    gone, changed = fieldsets.compare(_bare(live), _bare(new), shape)
    mine = (fieldsets.members(_bare(new), shape) & changed) | {
        path for path in changed if path[-1][2:] in MAPS
    }
    owners: Owned = {}
    before = owned(live)
    for other, (paths, time) in before.items():
        kept = paths - gone if other == manager else paths - gone - changed
        owners[other] = (kept, time)
    paths, time = owners.get(manager, (set(), ""))
    paths = paths | mine
    unchanged = manager in before and before[manager][0] == paths
    owners[manager] = (paths, time if unchanged else now())
    return owners


def applied(
    live: Body, config: Body, resource: Resource, manager: Manager, *, force: bool
) -> tuple[Body, Owned]:
    """
    Merge what *manager* wants into *live*, and drop what it wanted before and no longer does.

    Raises:
        Refused: 409, another manager owns a field that would change, and *force* is not set.

    Source: structured-merge-diff, `merge/update.go` (Apply, prune, addBackOwnedItems,
    addBackDanglingItems).
    """
    shape = resource.shape
    owners = owned(live)
    if "uid" in live["metadata"] and not owners:
        everybody = Manager("Update", "before-first-apply", resource.api_version)
        owners[everybody] = (fieldsets.members(_bare(live), shape) - _NOBODYS, now())
    last = owners.get(manager, (set(), ""))[0]
    mine = fieldsets.members(config, shape)
    result = fieldsets.merged(live, config, shape)
    if last:
        managed = fieldsets.with_parents(
            mine.union(*(paths for other, (paths, _) in owners.items() if other != manager))
        )
        result = _pruned(result, last, managed, resource)
    mine -= _NOBODYS
    gone, changed = fieldsets.compare(_bare(live), _bare(result), shape)
    lost = {other: paths & changed for other, (paths, _) in owners.items() if other != manager}
    if not force and any(lost.values()):
        raise _conflicts({other: paths for other, paths in lost.items() if paths})
    after = {
        other: (paths - gone - changed, time)
        for other, (paths, time) in owners.items()
        if other != manager
    }
    moved = bool(gone or changed) or mine != last
    after[manager] = (mine, now() if moved or manager not in owners else owners[manager][1])
    status = {"status": result["status"]} if "status" in result else {}
    return {**fieldsets.without_nulls({**result, "status": None}), **status}, after


def _pruned(result: Body, last: set[Path], managed: set[Path], resource: Resource) -> Body:
    shape = resource.shape
    everything = fieldsets.with_parents(fieldsets.members(result, shape))

    def dropped(body: Body) -> set[Path]:
        return everything - fieldsets.with_parents(fieldsets.members(body, shape))

    last = fieldsets.with_parents(last)
    kept: Body = fieldsets.without(result, last, shape)
    kept = fieldsets.without(result, dropped(kept) - managed, shape)
    pruned: Body = fieldsets.without(result, dropped(kept) & last, shape)
    return pruned


def _conflicts(lost: dict[Manager, set[Path]]) -> Refused:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{manager.name}" using {manager.api_version}',
            "field": "".join(_as_text(element) for element in path),
        }
        for manager, paths in sorted(lost.items())
        for path in sorted(paths)
    ]
    plural = "conflict" if len(causes) == 1 else "conflicts"
    words = ", ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    return Refused(
        409,
        f"Apply failed with {len(causes)} {plural}: {words}",
        details={"causes": causes},
    )


def _as_text(element: str) -> str:
    return f".{element[2:]}" if element.startswith("f:") else f"[{element[2:]}]"
