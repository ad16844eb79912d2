"""`--source` of `modelserver manifest`: one line for what `spec.model.source` says in several."""

from collections.abc import Callable, Mapping
from typing import Any

import typer


def source_of(text: str, *, config_map: str) -> dict[str, Any]:
    """
    What *text* means as `spec.model.source`.

    Args:
        text: kind, colon, place.
        config_map: the name of the ConfigMap where *text* names none.

    Raises:
        BadParameter: it means nothing.
    """
    kind, _, place = text.partition(":")
    parse = _KINDS.get(kind)
    if parse is None or (kind != "configmap" and not place):
        raise typer.BadParameter(f"{text!r} is no source: write {', '.join(_WRITTEN)}")
    return parse(place or config_map)


def _claim(place: str) -> dict[str, Any]:
    name, _, path = place.partition("/")
    return {"persistentVolumeClaim": {"claimName": name} | ({"path": path} if path else {})}


_KINDS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "configmap": lambda name: {"configMap": {"name": name}},
    "pvc": _claim,
    "bundled": lambda path: {"bundled": {"path": path}},
}

_WRITTEN = ("configmap", "configmap:NAME", "pvc:CLAIM/FOLDER", "bundled:/models/FOLDER")
