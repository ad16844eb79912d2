"""
Who may reach the pods, and whom they may reach.

The kubelet's probes need no rule: what comes from the pod's own node is always let in.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

import copy
from typing import Any, Final

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children.pod import PORT
from modelserver_operator.children.surroundings import Surroundings

_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"


def desired_network_policy(
    server: ModelServer, surroundings: Surroundings
) -> dict[str, Any] | None:
    """
    Build the NetworkPolicy *server* should have.

    The numbers are those of the pods: a policy does not see the ports of a Service.
    """
    policy = server.spec.network_policy
    if policy.policy == "None":
        return None
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": labels.child_metadata(server, server.name),
        "spec": {
            "podSelector": {"matchLabels": {labels.NAME: server.name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _ingress(server, surroundings.prometheus_namespace),
            "egress": _egress(server),
        },
    }


def _ingress(server: ModelServer, prometheus_namespace: str) -> list[dict[str, Any]]:
    """Let clients in to the API and Prometheus to the metrics; they may share one port."""
    metrics_port = server.spec.server.metrics_port
    clients = server.spec.network_policy.from_
    if clients is None:
        ports = [PORT] if metrics_port is None else [PORT, metrics_port]
        return [{"ports": [_tcp(port) for port in ports]}]
    rules: list[dict[str, Any]] = [
        {"ports": [_tcp(PORT)], "from": copy.deepcopy(list(clients))},
    ]
    if prometheus_namespace:
        name = {"matchLabels": {_NAMESPACE_NAME: prometheus_namespace}}
        prometheus = {"namespaceSelector": name}
        rules.append({"ports": [_tcp(metrics_port or PORT)], "from": [prometheus]})
    return rules


def _egress(server: ModelServer) -> list[dict[str, Any]]:
    """
    Let out what fetches the model, and else nothing.

    The empty list is written all the same, or a rule that somebody adds would be left to stand.
    """
    given = server.spec.network_policy.egress
    if given is not None:
        return copy.deepcopy(list(given))
    if server.spec.model.source.fetched is None:
        return []
    # A name service may have an address of the node's own, such as 169.254.20.10.
    names = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    everywhere = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
        {"ipBlock": {"cidr": "::/0", "except": ["fd00:ec2::254/128", "fe80::/10"]}},
        {"namespaceSelector": {}},  # some network plugins take no pod for an address
    ]
    return [names, {"to": everywhere, "ports": [{"protocol": "TCP"}]}]


def _tcp(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "TCP"}
