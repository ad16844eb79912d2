"""How Prometheus finds the metrics."""

from dataclasses import replace
from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator import labels
from modelserver_operator.children.servicemonitor import desired_service_monitor
from modelserver_operator.errors import ChildRefused


def monitor(*, served: bool = True, **spec: Any) -> Any:
    """Build the whole ServiceMonitor."""
    surroundings = replace(make.SURROUNDINGS, monitoring_served=served)
    return desired_service_monitor(make.parsed(**spec), surroundings)


@pytest.mark.parametrize(
    ("policy", "served", "made"),
    [
        ("Auto", True, True),
        ("Auto", False, False),
        ("Always", True, True),
        ("Never", True, False),
        ("Never", False, False),
    ],
)
def test_when_there_is_one(policy, served, made):
    """A cluster without the Prometheus operator is no error."""
    assert (monitor(served=served, monitoring={"policy": policy}) is not None) == made


def test_what_was_asked_for_in_any_case_and_cannot_be_is_refused():
    """With what to do about it."""
    with pytest.raises(ChildRefused, match="install the Prometheus operator") as error:
        monitor(served=False, monitoring={"policy": "Always"})
    assert error.value.reason == "MonitoringUnavailable"


@pytest.mark.parametrize(
    ("server", "want"),
    [
        pytest.param({}, {"port": "http"}, id="the Service's port"),
        pytest.param(
            {"metricsPort": 9090},
            {"targetPort": "metrics"},
            id="the pods' own, which no client has",
        ),
    ],
)
def test_the_endpoint(server, want):
    """Where the runtime shows its metrics."""
    (endpoint,) = monitor(server=server, monitoring={"interval": "1m"})["spec"]["endpoints"]
    assert endpoint == {**want, "path": "/metrics", "interval": "1m"}


def test_labels_by_which_a_prometheus_selects_it():
    """Beside ours."""
    found = monitor(monitoring={"labels": {"release": "prometheus"}})["metadata"]["labels"]
    assert found["release"] == "prometheus"
    assert found[labels.NAME] == "web"
