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


def start_replicas(server: ModelServer) -> int | None:
    """Give the count to create a Deployment with where it is somebody else's afterwards."""
    if server.spec.suspend:
        return None
    if server.spec.autoscaling is not None:
        return server.spec.autoscaling.min_replicas
    return DEFAULT_REPLICAS if server.spec.replicas is None else None


def replicas_to_hand_over(server: ModelServer, live: Mapping[str, Any]) -> int | None:
    """
    Give the count that the second manager must take hold of before an apply to *live* drops it.

    It is the live count, but where nothing runs because we were told so: a server that is resumed
    starts anew, and so does one that an autoscaler gets, which leaves a count of 0 alone.

    Returns:
        None where we go on setting the count, or others hold it already: then dropping it changes
        nothing.
    """
    start = start_replicas(server)
    if start is None:
        return None
    count = int(live["spec"].get("replicas", 1))
    if count == 0 and labels.SUSPENDED in (live["metadata"].get("annotations") or {}):
        return start
    if not _only_we_hold_the_count(live):
        return None
    return start if count == 0 and server.spec.autoscaling is not None else count


def holds_replicas(manager: Mapping[str, Any]) -> bool:
    """Tell whether an entry of `managedFields` is about the count."""
    return "f:replicas" in manager.get("fieldsV1", {}).get("f:spec", {})


def hand_over(live: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """Build what the second manager applies; refused if *live* has changed meanwhile."""
    metadata = live["metadata"]
    return {
        "apiVersion": live["apiVersion"],
        "kind": live["kind"],
        "metadata": {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")},
        "spec": {"replicas": replicas},
    }


def _only_we_hold_the_count(live: Mapping[str, Any]) -> bool:
    holders = {
        (manager["manager"], manager.get("operation"))
        for manager in live["metadata"].get("managedFields", ())
        if holds_replicas(manager)
    }
    return holders == {(labels.FIELD_MANAGER, "Apply")}
