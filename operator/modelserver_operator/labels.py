"""Every label and annotation the operator writes or reads, and the owner reference of a child."""

from collections.abc import Mapping
from typing import Any, Final

from modelserver_operator.api import ModelServer
from modelserver_operator.kinds import MODEL_SERVER

FIELD_MANAGER: Final = "modelserver-operator"
"""Owns, under server-side apply, exactly the fields that the builders set."""

HAND_OVER_MANAGER: Final = "modelserver-operator-handover"
"""Holds `spec.replicas` after we stop owning it, so that the API server does not reset it to 1."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
NAME: Final = "modelserver.dev/name"
TRACK: Final = "modelserver.dev/track"

APPLIED_HASH: Final = "modelserver.dev/applied-hash"
ADOPT: Final = "modelserver.dev/adopt"
RESOLVED_IMAGE: Final = "modelserver.dev/resolved-image"
SUSPENDED: Final = "modelserver.dev/suspended"

FETCH_CONTAINER: Final = "fetch"
"""The init container of a pod whose model comes over the network."""

OURS: Final = f"{MANAGED_BY}={FIELD_MANAGER}"
"""Selects everything made for any ModelServer: children, ReplicaSets and pods."""


def selector(name: str) -> dict[str, str]:
    """Select the pods of ModelServer *name*. Never more than this: a selector is immutable."""
    return {NAME: name, TRACK: "stable"}


def pod_labels(server: ModelServer) -> dict[str, str]:
    """Labels of the pods: no version among them, or a new operator would restart every pod."""
    return {
        "app.kubernetes.io/name": "modelserver",
        "app.kubernetes.io/instance": server.name,
        "app.kubernetes.io/component": "runtime",
        MANAGED_BY: FIELD_MANAGER,
        **selector(server.name),
    }


def child_metadata(
    server: ModelServer, name: str, annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Metadata of child *name*: our labels, and *server* as the controller that it dies with."""
    version = server.spec.model.version
    labels = {
        "app.kubernetes.io/name": "modelserver",
        "app.kubernetes.io/instance": server.name,
        "app.kubernetes.io/component": "runtime",
        MANAGED_BY: FIELD_MANAGER,
        NAME: server.name,
    }
    if version:
        labels["app.kubernetes.io/version"] = version
    return {
        "name": name,
        "namespace": server.namespace,
        "labels": labels,
        **({"annotations": dict(annotations)} if annotations else {}),
        "ownerReferences": [
            {
                "apiVersion": MODEL_SERVER.api_version,
                "kind": MODEL_SERVER.name,
                "name": server.name,
                "uid": server.uid,
                "controller": True,
            },
        ],
    }
