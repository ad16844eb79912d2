"""Whatever somebody does to one field of a child: one run puts it back, the next writes nothing."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

import modelserver_make as make
from apiserver import Refused
from modelserver_operator import labels
from modelserver_operator.children import desired_children
from modelserver_operator.drift import LIST_MAP_KEYS, covers
from modelserver_operator.errors import ChildRefused
from reconciled_world import World

SPEC = make.SPECS["fuller"]


def places(desired: Any, *path: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Walk to every value that a builder sets, and to every object and list of them."""
    inside = desired.items() if isinstance(desired, dict) else enumerate(desired)
    for name, value in inside:
        yield (*path, name), value
        if isinstance(value, dict | list):
            yield from places(value, *path, name)


UNTOUCHED = (
    *((name,) for name in ("apiVersion", "kind", "metadata", "spec")),
    *(("metadata", name) for name in ("name", "namespace")),
    # Who names another owner gives the child away: that is a question of ownership.
    *(("metadata", "ownerReferences", 0, name) for name in ("uid", "kind", "name")),
    ("metadata", "annotations", labels.RESOLVED_IMAGE),  # where a choice is kept
)
"""What makes an object the one it is."""


def is_key(path: tuple[Any, ...]) -> bool:
    """Tell whether *path* says which item of a list is meant."""
    return len(path) > 2 and path[-1] in LIST_MAP_KEYS.get(path[-3], ())


FIELDS = [
    (body["kind"], path, how)
    for _, body in desired_children(make.parsed(**SPEC), make.SURROUNDINGS)
    if not isinstance(body, ChildRefused)
    for path, value in places(body)
    if path not in UNTOUCHED
    for how in ("removed", "added" if isinstance(value, dict | list) else "edited")
    if not (is_key(path) and how == "removed")  # not valid: which item would it be?
]


def other(value: Any, path: tuple[Any, ...]) -> Any:
    """Give another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, dict):
        return {**value, "added": "by somebody"}
    if isinstance(value, list):
        return [*value, copy.deepcopy(value[-1])]
    return "7" if {"requests", "limits", "averageValue", "sizeLimit"} & {*path} else f"{value}x"


def stored(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what counts the writes."""
    counters = ("resourceVersion", "generation", "managedFields")
    metadata = {name: part for name, part in body["metadata"].items() if name not in counters}
    return {**body, "metadata": metadata}


@pytest.mark.parametrize(
    ("kind", "path", "how"),
    FIELDS,
    ids=[f"{kind}:{'.'.join(map(str, path))} {how}" for kind, path, how in FIELDS],
)
async def test_any_field_of_ours_comes_back(kind, path, how):
    """And what the API server does not let be changed needs no healing."""
    world = World(serves_monitoring=True, **SPEC)
    await world.settle()
    good = world.child(kind)
    live = copy.deepcopy(good)
    parent = live
    for name in path[:-1]:
        parent = parent[name]
    if how != "removed":
        parent[path[-1]] = other(parent[path[-1]], path)
    else:
        del parent[path[-1]]
    try:
        world.replace(live)
    except Refused:
        return
    await world.settle()
    healed = world.child(kind)
    if how == "added" or is_key(path):  # something of theirs may be left beside what is ours
        assert covers(stored(healed), stored(good))
    else:
        assert stored(healed) == stored(good)
