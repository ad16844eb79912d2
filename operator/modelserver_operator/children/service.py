"""The stable address that clients use."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children.surroundings import Surroundings


def desired_service(server: ModelServer, _: Surroundings) -> dict[str, Any]:
    """
    Build the Service *server* should have.

    The port of the pods keeps its name when TLS is turned on: under another one, the old pods would
    get no more requests before the first new pod is ready.
    """
    service = server.spec.service
    scheme = server.spec.server.scheme
    port: dict[str, Any] = {
        "name": scheme,
        "port": service.port,
        "protocol": "TCP",
        "targetPort": "http",
    }
    if scheme == "https":
        port["appProtocol"] = "https"  # proxies and meshes would take it for plain HTTP
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
    scheme, port = server.spec.server.scheme, server.spec.service.port
    return f"{scheme}://{host(server)}:{port}"


def host(server: ModelServer) -> str:
    """Name the address inside the cluster, which is the name that a certificate is for."""
    return f"{server.name}.{server.namespace}.svc"
