"""Where a model that is not part of the runtime's image is, and what brings it there."""

import math
from typing import Any, Final

from modelserver_operator.api import ModelServer
from modelserver_operator.api.quantity import canonical
from modelserver_operator.api.source import HttpSource, S3Source

MODEL_MOUNT: Final = "/model"
FETCHED: Final = f"{MODEL_MOUNT}/artifact"
"""Comes into being when what was fetched has been verified."""

_MEBIBYTE: Final = 1024 * 1024
_SPARE_MEBIBYTES: Final = 64
"""Ten thousand files, as many as an archive may have, waste half a block of 4 KiB each and more."""


def model_path(server: ModelServer) -> str:
    """Where the runtime finds the artifact."""
    source = server.spec.model.source
    if source.bundled is not None:
        return source.bundled.path
    if source.fetched is not None:
        return FETCHED
    mounted = source.persistent_volume_claim or source.image
    if mounted is not None and mounted.path:
        return f"{MODEL_MOUNT}/{mounted.path}"
    return MODEL_MOUNT


def model_volumes(server: ModelServer) -> list[dict[str, Any]]:
    """Build the volume that has the model; none where it is part of the image."""
    source = server.spec.model.source
    if source.config_map is not None:
        return [{"name": "model", "configMap": {"name": source.config_map.name}}]
    if source.persistent_volume_claim is not None:
        # Read-only for the kubelet too: it would else hand every file to fsGroup at each start.
        claim = {"claimName": source.persistent_volume_claim.claim_name, "readOnly": True}
        return [{"name": "model", "persistentVolumeClaim": claim}]
    if source.image is not None:
        # Never "Always": the digest says that it is the same.
        image = {"reference": source.image.reference, "pullPolicy": "IfNotPresent"}
        return [{"name": "model", "image": image}]
    if source.fetched is not None:
        return [{"name": "model", "emptyDir": {"sizeLimit": _size_limit(source.fetched)}}]
    return []


def _size_limit(source: HttpSource | S3Source) -> str:
    """Room for an archive and for what is in it; the kubelet evicts the pod that takes more."""
    archive = math.ceil(source.max_bytes / _MEBIBYTE)
    return canonical(f"{2 * archive + _SPARE_MEBIBYTES}Mi")


def model_mounts(server: ModelServer) -> list[dict[str, Any]]:
    """Build what the runtime sees of that volume, which it can only read."""
    if server.spec.model.source.bundled is not None:
        return []
    return [{"name": "model", "mountPath": MODEL_MOUNT, "readOnly": True}]
