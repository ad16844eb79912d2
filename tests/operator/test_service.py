"""The address that clients use."""

from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator.children.service import desired_service, url


def service(**spec: Any) -> dict[str, Any]:
    """Build the Service."""
    return desired_service(make.parsed(service=spec), make.SURROUNDINGS)


@pytest.mark.parametrize(
    ("spec", "type_", "port"),
    [
        pytest.param({}, "ClusterIP", {"port": 80}, id="inside the cluster, port 80"),
        pytest.param({"port": 8080}, "ClusterIP", {"port": 8080}, id="another port"),
        pytest.param({"type": "LoadBalancer"}, "LoadBalancer", {"port": 80}, id="a load balancer"),
        pytest.param(
            {"type": "NodePort", "nodePort": 30080},
            "NodePort",
            {"port": 80, "nodePort": 30080},
            id="a port of the nodes",
        ),
    ],
)
def test_the_port(spec, type_, port):
    """It always leads to the port that the pods call http."""
    found = service(**spec)["spec"]
    assert found["type"] == type_
    assert found["ports"] == [{"name": "http", "protocol": "TCP", "targetPort": "http", **port}]


def test_clients_do_not_reach_a_metrics_port_of_its_own():
    """A load balancer would show it to the world."""
    server = make.parsed(server={"metricsPort": 9090})
    ports = desired_service(server, make.SURROUNDINGS)["spec"]["ports"]
    assert [port["name"] for port in ports] == ["http"]


def test_annotations_of_the_user_are_taken_over():
    """As a cloud's load balancer wants them; without any there are none."""
    assert service(annotations={"a": "b"})["metadata"]["annotations"] == {"a": "b"}
    assert "annotations" not in service()["metadata"]


def test_url():
    """Where clients inside the cluster find it."""
    assert url(make.parsed(service={"port": 8080})) == "http://web.team.svc:8080"
