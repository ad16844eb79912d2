"""How many pods a drain of nodes takes at one time: some, so that it ends, and never too many."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children.deployment import DEFAULT_REPLICAS
from modelserver_operator.children.disruption import DEFAULT_DISRUPTION
from modelserver_operator.children.surroundings import Surroundings


def desired_pod_disruption_budget(server: ModelServer, _: Surroundings) -> dict[str, Any] | None:
    """
    Build the PodDisruptionBudget *server* should have.

    Pods that are not ready may always go: a crash-looping pod would block a drain for ever.
    """
    limit = _limit(server)
    if limit is None:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": labels.child_metadata(server, server.name),
        "spec": {
            "selector": {"matchLabels": {labels.NAME: server.name}},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            **limit,
        },
    }


def _limit(server: ModelServer) -> dict[str, int | str] | None:
    """
    Choose the one limit, or none at all.

    What is written leaves a pod that can go: the spec would be invalid otherwise.
    """
    budget = server.spec.disruption_budget
    if budget.policy == "None":
        return None
    if budget.max_unavailable is not None:
        return {"maxUnavailable": budget.max_unavailable}
    if budget.min_available is not None:
        return {"minAvailable": budget.min_available}
    if _most_pods(server) <= DEFAULT_DISRUPTION:
        return None  # a lone pod: there is none to keep back
    return {"maxUnavailable": DEFAULT_DISRUPTION}


def _most_pods(server: ModelServer) -> int:
    """Count what an autoscaler may add: under load, a drain that takes all at once loses most."""
    if server.spec.autoscaling is not None:
        return server.spec.autoscaling.max_replicas
    return DEFAULT_REPLICAS if server.spec.replicas is None else server.spec.replicas
