"""Parts of Kubernetes' own types: handed on as the API server writes them, or refused by name."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from invalid_modelservers import AVERAGE, BUNDLED, SPREAD, model_server
from modelserver_operator.api import ModelServer, ModelServerSpec
from modelserver_operator.api.percent import pods
from modelserver_operator.errors import InvalidSpec


def parsed(**spec: Any) -> ModelServerSpec:
    """Parse a ModelServer with *spec*, as the API server stores it."""
    body = model_server(**spec)
    body["metadata"] |= {"namespace": "kitchen", "uid": "0b1e", "generation": 1}
    return ModelServer.parse(body).spec


# Each right side was read back from a HorizontalPodAutoscaler that was given the left one.
@pytest.mark.parametrize(
    ("written", "stored_as"),
    [
        (100, "100"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("0.0001", "100u"),
        ("0.0015", "1500u"),
        ("1.00000000001", "1000000001n"),
        ("0.00000000001", "1n"),
        ("1024Ki", "1Mi"),
        ("0.3Ki", "307200m"),
    ],
)
def test_a_quantity_keeps_billionths(written: object, stored_as: str) -> None:
    """Rounded as for a container, the target would differ from the live one for ever."""
    target = {"type": "AverageValue", "averageValue": written}
    metric = {"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": target}}
    autoscaling = parsed(autoscaling={"maxReplicas": 3, "metrics": [metric]}).autoscaling
    assert autoscaling is not None
    assert autoscaling.metrics[0]["pods"]["target"]["averageValue"] == stored_as


def test_what_the_api_server_would_drop_is_dropped() -> None:
    """Empty lists, texts and maps are gone from a live object; an empty selector is everything."""
    policy = {
        "from": [{"podSelector": {"matchLabels": {}, "matchExpressions": []}}],
        "egress": [{"to": [], "ports": [{"port": 443}]}],
    }
    network = parsed(networkPolicy=policy).network_policy
    assert network.from_ == ({"podSelector": {}},)
    assert network.egress == ({"ports": [{"port": 443}]},)
    bears = {"key": "gpu", "value": "", "effect": "NoExecute", "tolerationSeconds": 0}
    assert parsed(scheduling={"tolerations": [bears]}).scheduling.tolerations == (
        {"key": "gpu", "effect": "NoExecute", "tolerationSeconds": 0},
    )


def test_labels_may_have_empty_values() -> None:
    """They are the user's, and the API server keeps them."""
    selector = {"matchLabels": {"spot": ""}}
    constraint = SPREAD | {"labelSelector": selector}
    given_back = parsed(scheduling={"topologySpreadConstraints": [constraint]})
    assert given_back.scheduling.topology_spread_constraints == (constraint,)


def test_fields_of_a_newer_kubernetes_are_handed_on() -> None:
    """A newer definition may know more than this operator; the API server judges it."""
    constraint = SPREAD | {"gravity": {"pull": []}}
    given_back = parsed(scheduling={"topologySpreadConstraints": [constraint]})
    assert given_back.scheduling.topology_spread_constraints == (constraint,)


_TEXTS = st.sampled_from(["", "a", "1", "Pods", "Resource", "Value", "10.0.0.0/8", "25%", "None"])
_NAMES = st.sampled_from(
    [
        *("type", "pods", "resource", "target", "metric", "value", "averageValue", "policy"),
        *("from", "egress", "to", "ports", "port", "endPort", "ipBlock", "cidr", "except"),
        *("podSelector", "matchLabels", "matchExpressions", "key", "operator", "values"),
        *("tolerations", "affinity", "topologySpreadConstraints", "metrics", "behavior", "name"),
        *("maxReplicas", "minAvailable", "maxUnavailable", "labels", "annotations", "maxSurge"),
    ]
)
_GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(ModelServerSpec.model_fields)), _GARBAGE)
def test_garbage_is_refused_and_nothing_else_happens(field: str, garbage: Any) -> None:
    """Whatever an older definition let through, the operator says so instead of falling over."""
    with contextlib.suppress(InvalidSpec):
        parsed(**{"model": {"source": BUNDLED}, to_camel(field): garbage})


@settings(max_examples=300)
@given(st.dictionaries(_NAMES, _GARBAGE, max_size=5))
def test_garbage_in_a_metric_is_refused_and_nothing_else_happens(garbage: Any) -> None:
    """The same inside the types of Kubernetes, which we only hand on."""
    with contextlib.suppress(InvalidSpec):
        parsed(autoscaling={"maxReplicas": 3, "metrics": [{**garbage, "type": "Pods"}]})
    with contextlib.suppress(InvalidSpec):
        parsed(networkPolicy={"from": [garbage], "egress": [garbage]})
    with contextlib.suppress(InvalidSpec):
        parsed(scheduling={"tolerations": [garbage], "affinity": garbage})


def test_a_cpu_target_is_there_unless_other_metrics_are() -> None:
    """An autoscaler without any target would never scale."""
    metric = {"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": AVERAGE}}
    wanted = [
        parsed(autoscaling={"maxReplicas": 3}).autoscaling,
        parsed(autoscaling={"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}).autoscaling,
        parsed(autoscaling={"maxReplicas": 3, "metrics": [metric]}).autoscaling,
    ]
    assert [a.cpu_target_percent for a in wanted if a] == [70, 50, None]


@pytest.mark.parametrize(
    ("share", "of", "number"),
    [(2, 3, 2), ("25%", 4, 1), ("25%", 5, 2), ("1%", 2, 1), ("0%", 9, 0), ("100%", 9, 9)],
)
def test_a_share_of_pods_is_rounded_up(share: int | str, of: int, number: int) -> None:
    """As Kubernetes rounds both limits of a disruption budget."""
    assert pods(share, of) == number
