"""How Prometheus finds the metrics, where its operator is installed."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children.surroundings import Surroundings
from modelserver_operator.errors import ChildRefused


def desired_service_monitor(
    server: ModelServer, surroundings: Surroundings
) -> dict[str, Any] | None:
    """
    Build the ServiceMonitor *server* should have.

    A metrics port of its own is not a port of the Service, or clients and load balancers would
    reach it: Prometheus takes the pods' own port then.

    Raises:
        ChildRefused: it is asked for in any case, and the API server does not know the kind.
    """
    monitoring = server.spec.monitoring
    if monitoring.policy == "Never":
        return None
    if not surroundings.monitoring_served:
        if monitoring.policy == "Auto":
            return None
        raise ChildRefused(
            "MonitoringUnavailable",
            "the cluster does not know this kind: install the Prometheus operator, or set"
            " spec.monitoring.policy to Auto",
        )
    metadata = labels.child_metadata(server, server.name)
    metadata["labels"] = {**monitoring.labels, **metadata["labels"]}
    own_port = server.spec.server.metrics_port is not None
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": {labels.NAME: server.name}},
            "endpoints": [
                {
                    **({"targetPort": "metrics"} if own_port else {"port": "http"}),
                    "path": "/metrics",
                    "interval": monitoring.interval,
                },
            ],
        },
    }
