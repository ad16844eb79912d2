"""Objects as sets of paths: what server-side apply merges, compares, removes and remembers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from apiserver.resources import ATOMIC, SET, Body, Shape

Path = tuple[str, ...]
"""Elements as managedFields writes them: `f:name`, `k:{"name":"x"}`, `v:"x"`."""

_KEY_DEFAULTS: Final = {"protocol": "TCP"}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _element(item: Any, keys: tuple[str, ...]) -> str:
    if keys == SET:
        return f"v:{_json(item)}"
    values = {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in keys}
    return f"k:{_json({key: value for key, value in values.items() if value is not None})}"


def _below(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _is_granular(value: Any, where: str, shape: Shape) -> bool:
    if isinstance(value, dict):
        return shape.get(where) != ATOMIC
    return isinstance(value, list) and bool(shape.get(where))


def _children(value: Any, where: str, shape: Shape) -> Iterator[tuple[str, Any, str]]:
    """Yield the path element, value and dotted place of everything in a granular *value*."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield f"f:{name}", child, _below(where, name)
    else:
        for item in value:
            yield _element(item, shape[where]), item, f"{where}[]"


def nodes(body: Body, shape: Shape) -> dict[Path, Any]:
    """
    Lay *body* out as path → value.

    A leaf (a scalar, an empty map, an atomic list or map) has its value; what stands above leaves,
    or could, has None.
    """
    found: dict[Path, Any] = {}

    def walk(value: Any, path: Path, where: str) -> None:
        inner = _is_granular(value, where, shape)
        if path:
            found[path] = None if inner and (value or value == []) else (value,)
        if inner:
            for element, child, place in _children(value, where, shape):
                walk(child, (*path, element), place)

    walk(body, (), "")
    return found


def members(body: Body, shape: Shape) -> set[Path]:
    """The paths that owning *body* means: its leaves, and each item of a keyed list."""
    return {
        path
        for path, value in nodes(body, shape).items()
        if value is not None or not path[-1].startswith("f:")
    }


def with_parents(paths: set[Path]) -> set[Path]:
    """Add the named fields above each of *paths*."""
    parents = {path[:end] for path in paths for end in range(1, len(path))}
    return paths | {path for path in parents if path[-1].startswith("f:")}


def compare(old: Body, new: Body, shape: Shape) -> tuple[set[Path], set[Path]]:
    """Say which paths of *old* are gone, and which of *new* are new or have another value."""
    before, after = nodes(old, shape), nodes(new, shape)
    missing = object()
    changed = {
        path
        for path, value in after.items()
        if before.get(path, missing) is missing
        or (value != before[path] and None not in (value, before[path]))
    }
    return before.keys() - after.keys(), changed


def merged(live: Any, config: Any, shape: Shape, where: str = "") -> Any:
    """Lay *config* over *live*."""
    if type(live) is not type(config) or not _is_granular(config, where, shape):
        return config
    if isinstance(config, dict):
        laid = {
            name: merged(live.get(name), value, shape, _below(where, name))
            for name, value in config.items()
        }
        return {**live, **laid}
    return _merged_lists(live, config, shape, where)


def _merged_lists(
    live: Sequence[Any], config: Sequence[Any], shape: Shape, where: str
) -> list[Any]:
    """Keep items of *live* where they stand; those of both follow the order of *config*."""
    left = {_element(item, shape[where]): item for item in live}
    right = {_element(item, shape[where]): item for item in config}
    shared = [key for key in right if key in left]
    out: list[Any] = []
    lefts, rights = list(left), list(right)
    while lefts or rights:
        if lefts and (not rights or lefts[0] != rights[0]):
            if lefts[0] not in right:
                out.append(left[lefts.pop(0)])
                continue
            if not shared or lefts[0] != shared[0]:
                lefts.pop(0)
                continue
        key = rights.pop(0)
        if key in left:
            shared.remove(key)
            out.append(merged(left[key], right[key], shape, f"{where}[]"))
        else:
            out.append(right[key])
        if lefts and lefts[0] == key:
            lefts.pop(0)
    return out


def without(body: Any, paths: set[Path], shape: Shape, where: str = "") -> Any:
    """Drop everything at and under *paths*; what gets empty by it becomes None."""
    if not paths or not _is_granular(body, where, shape):
        return body
    ends = {path[0] for path in paths if len(path) == 1}
    below: dict[str, set[Path]] = {}
    for first, *rest in paths:
        if rest:
            below.setdefault(first, set()).add(tuple(rest))
    kept = {}
    for element, child, place in _children(body, where, shape):
        left = without(child, below.get(element, set()), shape, place)
        if element not in ends:
            kept[element] = left if left or left == child else None
    if isinstance(body, dict):
        return {element[2:]: child for element, child in kept.items()}
    return [*kept.values()]


def without_nulls(body: Any) -> Any:
    """Drop what is None."""
    if isinstance(body, dict):
        return {name: without_nulls(child) for name, child in body.items() if child is not None}
    if isinstance(body, list):
        return [without_nulls(item) for item in body]
    return body


def encoded(paths: set[Path]) -> Body:
    """Write a set of paths as `fieldsV1`."""
    tree: Body = {}
    for path in sorted(paths):
        place = tree
        for element in path:
            place = place.setdefault(element, {})
        place["."] = {}
    return _without_lone_dots(tree)


def _without_lone_dots(tree: Body) -> Body:
    return {
        element: {} if set(child) == {"."} else _without_lone_dots(child)
        for element, child in tree.items()
    }


def decoded(fields: Mapping[str, Any]) -> set[Path]:
    """Read `fieldsV1`."""
    found: set[Path] = set()

    def walk(tree: Mapping[str, Any], path: Path) -> None:
        if path and (not tree or "." in tree):
            found.add(path)
        for element, child in tree.items():
            if element != ".":
                walk(child, (*path, element))

    walk(fields, ())
    return found
