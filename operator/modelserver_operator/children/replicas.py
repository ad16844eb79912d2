"""
Who owns a Deployment's replica count, and how it changes hands without the count jumping.

Ours while the spec fixes it or suspends the server. Otherwise somebody else's (an autoscaler,
`kubectl scale`), after a start value. A field that its sole owner drops is reset to 1 by the API
server, so before we drop it, a second field manager takes hold of the live value.
"""

from collections.abc import Mapping
from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children.deployment import DEFAULT_REPLICAS


def start_replicas(server: ModelServer, live: Mapping[str, Any] | None) -> int | None:
    """
    Give the count to set once, before the count is left to others.

    Returns:
        None where the count is ours anyway, or is already held for others as it is.
    """
    if server.spec.suspend or server.spec.replicas is not None:
        return None
    if live is None or labels.SUSPENDED in live["metadata"].get("annotations", {}):
        return DEFAULT_REPLICAS
    if _held_for_others(live):
        return None
    return int(live["spec"].get("replicas", DEFAULT_REPLICAS))


def hand_over(live: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """Build what the second manager applies; refused if *live* has changed meanwhile."""
    metadata = live["metadata"]
    return {
        "apiVersion": live["apiVersion"],
        "kind": live["kind"],
        "metadata": {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")},
        "spec": {"replicas": replicas},
    }


def _held_for_others(live: Mapping[str, Any]) -> bool:
    return any(
        "f:replicas" in manager.get("fieldsV1", {}).get("f:spec", {})
        for manager in live["metadata"].get("managedFields", ())
        if manager["manager"] == labels.HAND_OVER_MANAGER
    )
