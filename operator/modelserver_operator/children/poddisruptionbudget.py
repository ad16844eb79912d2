"""How many pods a drain of nodes takes at one time: some, so that it ends, and never too many."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.api.percent import pods
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

    `minAvailable` is used only where it leaves a pod to go at the fewest pods there can be; with
    more pods it then leaves one too, also as a share: p % of n, rounded up, is below n exactly if
    p <= 100 (n - 1) / n, which grows with n. Where others own the count it may fall to 1, and
    every `minAvailable` but 0 would block.
    """
    budget, least = server.spec.disruption_budget, server.spec.guaranteed_replicas
    if budget.policy == "None":
        return None
    if budget.max_unavailable not in (None, 0, "0%"):
        return {"maxUnavailable": budget.max_unavailable}
    if budget.min_available is not None:
        if least is not None and pods(budget.min_available, least) < least:
            return {"minAvailable": budget.min_available}
    elif (DEFAULT_REPLICAS if least is None else least) <= DEFAULT_DISRUPTION:
        return None  # a lone pod: nothing to keep back
    return {"maxUnavailable": DEFAULT_DISRUPTION}
