"""The autoscaler that owns the number of pods where the spec asks for one."""

import copy
from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.api.autoscaling import Autoscaling
from modelserver_operator.children.surroundings import Surroundings
from modelserver_operator.kinds import DEPLOYMENT


def desired_horizontal_pod_autoscaler(
    server: ModelServer, _: Surroundings
) -> dict[str, Any] | None:
    """
    Build the HorizontalPodAutoscaler *server* should have.

    It stays while the server is suspended: Kubernetes' autoscaler leaves a count of 0 alone.
    """
    autoscaling = server.spec.autoscaling
    if autoscaling is None:
        return None
    autoscaler: dict[str, Any] = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": labels.child_metadata(server, server.name),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": DEPLOYMENT.api_version,
                "kind": DEPLOYMENT.name,
                "name": server.name,
            },
            "minReplicas": autoscaling.min_replicas,
            "maxReplicas": autoscaling.max_replicas,
            "metrics": _metrics(autoscaling),
        },
    }
    if autoscaling.behavior is not None:
        autoscaler["spec"]["behavior"] = copy.deepcopy(autoscaling.behavior)
    return autoscaler


def _metrics(autoscaling: Autoscaling) -> list[dict[str, Any]]:
    given = copy.deepcopy(list(autoscaling.metrics))
    percent = autoscaling.cpu_target_percent
    if percent is None:
        return given
    target = {"type": "Utilization", "averageUtilization": percent}
    return [{"type": "Resource", "resource": {"name": "cpu", "target": target}}, *given]
