"""The autoscaler is what the spec says of it, and is silent where the spec is."""

from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator.children.horizontalpodautoscaler import (
    desired_horizontal_pod_autoscaler,
)

QUEUE = {
    "type": "External",
    "external": {
        "metric": {"name": "queue", "selector": {"matchLabels": {"app": "web"}}},
        "target": {"type": "Value", "value": "30"},
    },
}


def cpu(percent: int) -> dict[str, Any]:
    """Build the metric of CPU."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def autoscaler(**spec: Any) -> Any:
    """Build its spec."""
    body = desired_horizontal_pod_autoscaler(make.parsed(**spec), make.SURROUNDINGS)
    return body and body["spec"]


@pytest.mark.parametrize(
    "spec", [pytest.param({}, id="nobody's count"), pytest.param({"replicas": 3}, id="fixed")]
)
def test_there_is_none_unless_it_is_asked_for(spec):
    """A second owner of the count would fight the first."""
    assert autoscaler(**spec) is None


@pytest.mark.parametrize(
    ("autoscaling", "want"),
    [
        pytest.param({}, [cpu(70)], id="CPU at 70 % by default"),
        pytest.param({"targetCPUUtilizationPercentage": 50}, [cpu(50)], id="CPU as asked"),
        pytest.param({"metrics": [QUEUE]}, [QUEUE], id="only what is named"),
        pytest.param(
            {"metrics": [QUEUE], "targetCPUUtilizationPercentage": 50},
            [cpu(50), QUEUE],
            id="both",
        ),
    ],
)
def test_what_is_measured(autoscaling, want):
    """Metrics are handed on as they are written."""
    assert autoscaler(autoscaling={"maxReplicas": 5, **autoscaling})["metrics"] == want


def test_bounds_and_target():
    """Of our own Deployment; two pods at the least unless said otherwise."""
    found = autoscaler(autoscaling={"maxReplicas": 5})
    assert (found["minReplicas"], found["maxReplicas"]) == (2, 5)
    assert found["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "web",
    }


def test_behavior_is_the_users_or_the_api_servers():
    """Handed on, or not set: then the API server's defaults count."""
    behavior = {"scaleDown": {"selectPolicy": "Disabled"}}
    assert autoscaler(autoscaling={"maxReplicas": 5, "behavior": behavior})["behavior"] == behavior
    assert "behavior" not in autoscaler(autoscaling={"maxReplicas": 5})


def test_it_stays_while_the_server_is_suspended():
    """At 0 pods Kubernetes' autoscaler rests by itself."""
    spec = {"autoscaling": {"maxReplicas": 5}}
    assert autoscaler(**spec, suspend=True) == autoscaler(**spec)
