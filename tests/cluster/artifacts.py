"""Artifacts that are broken in one way each, as ConfigMaps."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

from cluster_access import ROOT

ARTIFACT = ROOT / "artifacts" / "model"
Files = dict[str, bytes]


def files() -> Files:
    """Read the bundled artifact."""
    return {path.name: path.read_bytes() for path in sorted(ARTIFACT.iterdir())}


def digest(content: Files) -> str:
    """Pin *content* as `sha256sum manifest.json` would."""
    return "sha256:" + hashlib.sha256(content["manifest.json"]).hexdigest()


def config_map(name: str, content: Files) -> dict[str, Any]:
    """Put *content* into a ConfigMap."""
    data = {path: base64.b64encode(body).decode() for path, body in content.items()}
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data}


def source(name: str, content: Files) -> dict[str, Any]:
    """Build the `model` of a ModelServer that serves *content* from ConfigMap *name*."""
    return {"source": {"configMap": {"name": name}}, "digest": digest(content)}


def with_other_examples() -> Files:
    """Say that the model once answered something else."""

    def change(manifest: dict[str, Any]) -> None:
        first = manifest["golden"]["probabilities"][0]
        first[:] = [1 - value for value in first]

    return _with_manifest(change)


def with_another_description() -> Files:
    """Be another artifact of the same model, which answers as the bundled one."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["description"] = "the same once more"

    return _with_manifest(change)


def with_joblib_only() -> Files:
    """Have no model file but the one that can run any code."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["files"] = [f for f in manifest["files"] if f.get("format") != "skops"]

    return _with_manifest(change)


def with_a_model_that_is_none() -> Files:
    """Pin bytes that nobody can parse."""
    garbage = b"this is no model"

    def change(manifest: dict[str, Any]) -> None:
        for file in manifest["files"]:
            if file["path"] == "model.skops":
                file |= {"sha256": hashlib.sha256(garbage).hexdigest(), "size": len(garbage)}

    return _with_manifest(change) | {"model.skops": garbage}


def _with_manifest(change: Callable[[dict[str, Any]], None]) -> Files:
    content = files()
    manifest = json.loads(content["manifest.json"])
    change(manifest)
    return content | {"manifest.json": json.dumps(manifest).encode()}
