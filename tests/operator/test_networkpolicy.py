"""Who may reach the pods, and whom they may reach."""

from dataclasses import replace
from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator.children.networkpolicy import desired_network_policy

SHOP = {"podSelector": {"matchLabels": {"app": "shop"}}}
EVERY_POD = {"podSelector": {}}
PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}


def policy(network_policy: Any = None, namespace: str = "monitoring", **spec: Any) -> Any:
    """Build the NetworkPolicy's spec."""
    surroundings = replace(make.SURROUNDINGS, prometheus_namespace=namespace)
    server = make.parsed(networkPolicy=network_policy or {}, **spec)
    body = desired_network_policy(server, surroundings)
    return body and body["spec"]


def tcp(*ports: int) -> list[dict[str, Any]]:
    """Build the ports of a rule."""
    return [{"port": port, "protocol": "TCP"} for port in ports]


@pytest.mark.parametrize(
    ("given", "server", "want"),
    [
        pytest.param({}, {}, [{"ports": tcp(8000)}], id="anyone, but only to the API"),
        pytest.param(
            {},
            {"metricsPort": 9090},
            [{"ports": tcp(8000, 9090)}],
            id="and to the metrics where they have a port of their own",
        ),
        pytest.param(
            {"from": [SHOP]},
            {},
            [{"ports": tcp(8000), "from": [SHOP]}, {"ports": tcp(8000), "from": [PROMETHEUS]}],
            id="those who are named, and Prometheus",
        ),
        pytest.param(
            {"from": [SHOP, EVERY_POD]},
            {"metricsPort": 9090},
            [
                {"ports": tcp(8000), "from": [SHOP, EVERY_POD]},
                {"ports": tcp(9090), "from": [PROMETHEUS]},
            ],
            id="each to its own port",
        ),
    ],
)
def test_who_comes_in(given, server, want):
    """By the pods' ports: a policy does not see those of a Service."""
    assert policy(given, server=server, service={"port": 81})["ingress"] == want


def test_without_a_prometheus_nobody_is_let_in_for_it():
    """An empty namespace selector would be every namespace."""
    assert policy({"from": [SHOP]}, namespace="")["ingress"] == [
        {"ports": tcp(8000), "from": [SHOP]}
    ]


@pytest.mark.parametrize("source", ["bundled", "configMap", "persistentVolumeClaim", "image"])
def test_nothing_goes_out_where_the_source_needs_no_network(source):
    """The kubelet brings it; not even a name is looked up."""
    sources = {
        "bundled": {"path": "/models/a"},
        "configMap": {"name": "a"},
        "persistentVolumeClaim": {"claimName": "a"},
        "image": {"reference": "a@sha256:" + "0" * 64},
    }
    model = {"source": {source: sources[source]}, "digest": "sha256:" + "0" * 64}
    found = policy(model=model)
    assert found["policyTypes"] == ["Ingress", "Egress"]
    assert found["egress"] == []  # written, so that a rule of somebody else is a difference


@pytest.mark.parametrize(
    "source",
    [
        pytest.param({"http": {"url": "http://store:8080/m.tar"}}, id="http"),
        pytest.param({"s3": {"bucket": "models", "key": "m/"}}, id="s3"),
    ],
)
def test_a_fetch_goes_out_but_not_to_the_cloud_that_runs_the_node(source):
    """Any port: a policy sees that of a pod, and not that of the Service in the URL."""
    names, store = policy(model={"source": source, "digest": "sha256:" + "0" * 64})["egress"]
    assert names == {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    assert store["ports"] == [{"protocol": "TCP"}]
    assert store["to"] == [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
        {"ipBlock": {"cidr": "::/0", "except": ["fd00:ec2::254/128", "fe80::/10"]}},
        {"namespaceSelector": {}},
    ]


def test_a_users_egress_takes_the_place_of_what_a_fetch_needs():
    """Whoever writes it knows where the source is."""
    model = {"source": {"http": {"url": "http://a/m"}}, "digest": "sha256:" + "0" * 64}
    only = [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
    assert policy({"egress": only}, model=model)["egress"] == only
    assert policy({"egress": []}, model=model)["egress"] == []


def test_a_users_egress_is_what_goes_out():
    """As it was written, and nothing beside it."""
    egress = [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 53}]}, {}]
    assert policy({"egress": egress})["egress"] == egress


def test_none_means_none():
    """Everything is let through."""
    assert policy({"policy": "None"}) is None
