"""The stable address that clients use."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer


def desired_service(server: ModelServer, **_: object) -> dict[str, Any]:
    """Build the Service *server* should have."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": labels.child_metadata(server, server.name),
        "spec": {
            "type": "ClusterIP",
            "selector": labels.selector(server.name),
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
        },
    }


def url(server: ModelServer) -> str:
    """Where clients inside the cluster find *server*."""
    return f"http://{server.name}.{server.namespace}.svc:80"
