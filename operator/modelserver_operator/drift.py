"""Does a live object still hold everything we applied?"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from kubernetes.utils.quantity import parse_quantity

LIST_MAP_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
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
item has one of the two. All other lists are one value.

Source: x-kubernetes-list-map-keys in the API server's own /openapi/v3.
"""

ATOMIC_MAPS: Final = frozenset({"labelSelector", "nodeSelector", "podSelector", "selector"})
"""
Objects that the API server treats as one value: who adds a label to a selector changes it.

Source: x-kubernetes-map-type in the API server's own /openapi/v3.
"""

_NOTHING: Final = object()
_ABSENT: Final[Mapping[str, Any]] = {"egress": [], "minReadySeconds": 0}
"""
What is meant where the API server shows no field: it leaves out empty lists, and a zero that is no
pointer.
"""

_FILLED_IN: Final = {"protocol": "TCP"}
"""What the API server adds inside such a value where nothing is said."""

_QUANTITIES: Final = frozenset(
    {
        ("emptyDir", "sizeLimit"),
        ("scaleDown", "tolerance"),
        ("scaleUp", "tolerance"),
        ("target", "averageValue"),
        ("target", "value"),
    }
)
_MAPS_OF_QUANTITIES: Final = frozenset({"limits", "requests"})


def covers(live: Any, desired: Any, parent: str = "", field: str = "") -> bool:
    """
    Tell whether applying *desired* again would change nothing in *live*.

    What others have added to *live* is theirs and is not looked at, but in what is one value.
    """
    if isinstance(desired, dict) and field not in ATOMIC_MAPS:
        return isinstance(live, dict) and all(
            covers(live[name], value, field, name)
            if name in live
            else _ABSENT.get(name, _NOTHING) == value
            for name, value in desired.items()
        )
    if isinstance(desired, list) and field in LIST_MAP_KEYS:
        return isinstance(live, list) and _holds_items(live, desired, field)
    return _same(live, desired, parent, field)


def _holds_items(live: Sequence[Any], desired: Sequence[Any], field: str) -> bool:
    keys = LIST_MAP_KEYS[field]
    by_key = {_item_key(item, keys): item for item in live}
    return all(covers(by_key.get(_item_key(item, keys)), item) for item in desired)


def _item_key(item: Mapping[str, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(item.get(key) for key in keys)


def _same(live: Any, desired: Any, parent: str, field: str) -> bool:
    """Compare what is one value, as a whole."""
    if isinstance(desired, dict) and isinstance(live, dict):
        filled_in = {name: value for name, value in _FILLED_IN.items() if name in live}
        wanted = {**filled_in, **desired}
        return live.keys() == wanted.keys() and all(
            _same(live[name], value, field, name) for name, value in wanted.items()
        )
    if isinstance(desired, list) and isinstance(live, list):
        return len(live) == len(desired) and all(
            _same(have, want, parent, field) for have, want in zip(live, desired, strict=True)
        )
    if (parent, field) in _QUANTITIES or parent in _MAPS_OF_QUANTITIES:
        return _same_quantity(live, desired)
    return bool(live == desired)


def _same_quantity(live: Any, desired: Any) -> bool:
    """The API server rewrites quantities: 1000m becomes 1, 0.5 becomes 500m."""
    try:
        return bool(parse_quantity(live) == parse_quantity(desired))
    except ValueError:
        return bool(live == desired)
