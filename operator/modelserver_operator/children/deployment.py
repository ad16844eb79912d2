"""The pods that answer, and how they are replaced without losing a request."""

from typing import Any, Final

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children.pod import pod_template
from modelserver_operator.children.surroundings import Surroundings

DEFAULT_REPLICAS: Final = 2


def desired_deployment(server: ModelServer, surroundings: Surroundings) -> dict[str, Any]:
    """
    Build the Deployment *server* should have.

    Pure: nothing is read from the cluster, the clock or the environment. `spec.replicas` is left
    out where the count belongs to somebody else, see `replicas.py`.
    """
    image, rollout = surroundings.runtime_image, server.spec.rollout
    annotations = {labels.RESOLVED_IMAGE: image}
    deployment: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": labels.child_metadata(server, server.name, annotations),
        "spec": {
            "selector": {"matchLabels": labels.selector(server.name)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": rollout.max_surge, "maxUnavailable": 0},
            },
            "minReadySeconds": rollout.min_ready_seconds,
            "progressDeadlineSeconds": rollout.progress_deadline_seconds,
            "revisionHistoryLimit": 10,
            "template": pod_template(server, image),
        },
    }
    if server.spec.suspend:
        deployment["spec"]["replicas"] = 0
        deployment["metadata"]["annotations"][labels.SUSPENDED] = "true"
    elif server.spec.autoscaling is None and server.spec.replicas is not None:
        deployment["spec"]["replicas"] = server.spec.replicas
    return deployment
