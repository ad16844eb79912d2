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
        raise typer.BadParameter(f"{text!r} is no source: write one of {WRITTEN}")
    return parse(text if kind in ("http", "https") else place or config_map)


def _claim(place: str) -> dict[str, Any]:
    name, _, path = place.partition("/")
    return {"persistentVolumeClaim": {"claimName": name} | ({"path": path} if path else {})}


def _object(place: str) -> dict[str, Any]:
    bucket, _, key = place.removeprefix("//").partition("/")
    if not (bucket and key):
        raise typer.BadParameter(
            f"s3:{place} names no object: write s3://BUCKET/KEY, or s3://BUCKET/FOLDER/ with a"
            " slash at the end"
        )
    return {"s3": {"bucket": bucket, "key": key}}


_KINDS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "configmap": lambda name: {"configMap": {"name": name}},
    "pvc": _claim,
    "bundled": lambda path: {"bundled": {"path": path}},
    "http": lambda url: {"http": {"url": url}},
    "https": lambda url: {"http": {"url": url}},
    "s3": _object,
    "image": lambda reference: {"image": {"reference": reference}},
}

WRITTEN = (
    "configmap, configmap:NAME, pvc:CLAIM/FOLDER, https://HOST/ARCHIVE, s3://BUCKET/KEY,"
    " image:IMAGE@sha256:DIGEST, bundled:/models/FOLDER"
)
