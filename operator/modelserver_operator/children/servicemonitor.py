"""How Prometheus finds the metrics, where its operator is installed."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.api.tls import Tls
from modelserver_operator.children.service import host
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
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": {labels.NAME: server.name}},
            "endpoints": [_endpoint(server)],
        },
    }


def _endpoint(server: ModelServer) -> dict[str, Any]:
    settings = server.spec.server
    own_port = settings.metrics_port is not None
    endpoint: dict[str, Any] = {
        **({"targetPort": "metrics"} if own_port else {"port": settings.scheme}),
        "path": "/metrics",
        "interval": server.spec.monitoring.interval,
    }
    if settings.tls is not None:
        endpoint |= {"scheme": "https", "tlsConfig": _verification(server, settings.tls)}
    return endpoint


def _verification(server: ModelServer, tls: Tls) -> dict[str, Any]:
    """
    Say how Prometheus knows the pods, which it asks by their addresses.

    Without an authority it takes any certificate: it sends no secret, and a name that it could not
    verify would leave the server without metrics.
    """
    if tls.ca_key is None:
        return {"insecureSkipVerify": True}
    authority = {"name": tls.secret.name, "key": tls.ca_key}
    return {"ca": {"secret": authority}, "serverName": host(server)}
