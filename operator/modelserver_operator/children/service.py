"""The stable address that clients use."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children.surroundings import Surroundings


def desired_service(server: ModelServer, _: Surroundings) -> dict[str, Any]:
    """Build the Service *server* should have."""
    service = server.spec.service
    port: dict[str, Any] = {
        "name": "http",
        "port": service.port,
        "protocol": "TCP",
        "targetPort": "http",
    }
    if service.node_port is not None:
        port["nodePort"] = service.node_port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": labels.child_metadata(server, server.name, service.annotations),
        "spec": {
            "type": service.type,
            "selector": labels.selector(server.name),
            "ports": [port],
        },
    }


def url(server: ModelServer) -> str:
    """Where clients inside the cluster find *server*."""
    return f"http://{server.name}.{server.namespace}.svc:{server.spec.service.port}"
