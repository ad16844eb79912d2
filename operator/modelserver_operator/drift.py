"""Does a live object still hold everything we applied?"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from kubernetes.utils.quantity import parse_quantity

LIST_MAP_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("port", "containerPort", "protocol"),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""
Lists that the API server treats as maps, and the fields that make an item's key.

A Service's ports are keyed by port and protocol, a container's by containerPort and protocol; an
item has one of the two. All other lists are compared in order and length.

Source: x-kubernetes-list-map-keys in the API server's own /openapi/v3.
"""

_QUANTITIES: Final = frozenset({"requests", "limits"})


def covers(live: Any, desired: Any, field: str = "") -> bool:
    """
    Tell whether applying *desired* again would change nothing in *live*.

    What others have added to *live* is theirs and is not looked at.
    """
    if isinstance(desired, dict):
        if not isinstance(live, dict):
            return False
        if field in _QUANTITIES:
            return all(_same_quantity(live.get(name), value) for name, value in desired.items())
        return all(name in live and covers(live[name], v, name) for name, v in desired.items())
    if isinstance(desired, list):
        return isinstance(live, list) and _list_covers(live, desired, field)
    return bool(live == desired)


def _list_covers(live: Sequence[Any], desired: Sequence[Any], field: str) -> bool:
    keys = LIST_MAP_KEYS.get(field)
    if keys is None:
        return len(live) == len(desired) and all(
            covers(have, want) for have, want in zip(live, desired, strict=True)
        )
    by_key = {_item_key(item, keys): item for item in live}
    return all(covers(by_key.get(_item_key(item, keys)), item) for item in desired)


def _item_key(item: Mapping[str, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(item.get(key) for key in keys)


def _same_quantity(live: Any, desired: Any) -> bool:
    """The API server rewrites quantities: 1000m becomes 1, 0.5 becomes 500m."""
    return live is not None and bool(parse_quantity(live) == parse_quantity(desired))
