"""A drain takes some pods at a time, never waits for ever, and never takes all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modelserver_make as make
from modelserver_operator.api.percent import pods
from modelserver_operator.children.poddisruptionbudget import desired_pod_disruption_budget
from modelserver_operator.errors import InvalidSpec


def budget(**spec: Any) -> Any:
    """Build its spec."""
    body = desired_pod_disruption_budget(make.parsed(**spec), make.SURROUNDINGS)
    return body and body["spec"]


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param({"replicas": 2}, {"maxUnavailable": 1}, id="two pods: one may go"),
        pytest.param({}, {"maxUnavailable": 1}, id="it starts with two"),
        pytest.param({"replicas": 1}, None, id="a lone pod has none to keep back"),
        pytest.param({"replicas": 0}, None, id="nor has none"),
        pytest.param(
            {"autoscaling": {"minReplicas": 1, "maxReplicas": 9}},
            {"maxUnavailable": 1},
            id="under load there may be nine, on one node perhaps",
        ),
        pytest.param(
            {"autoscaling": {"minReplicas": 1, "maxReplicas": 1}},
            None,
            id="never more than one",
        ),
        pytest.param({"autoscaling": {"maxReplicas": 9}}, {"maxUnavailable": 1}, id="autoscaled"),
        pytest.param(
            {"replicas": 2, "suspend": True}, {"maxUnavailable": 1}, id="it is kept in suspension"
        ),
        pytest.param(
            {"replicas": 1, "disruptionBudget": {"maxUnavailable": 1}},
            {"maxUnavailable": 1},
            id="what is written is made, also for one pod",
        ),
        pytest.param(
            {"replicas": 9, "disruptionBudget": {"maxUnavailable": "25%"}},
            {"maxUnavailable": "25%"},
            id="a share",
        ),
        pytest.param(
            {"replicas": 9, "disruptionBudget": {"minAvailable": 5}},
            {"minAvailable": 5},
            id="those that must stay",
        ),
        pytest.param({"replicas": 9, "disruptionBudget": {"policy": "None"}}, None, id="none"),
    ],
)
def test_the_limit(spec, want):
    """One of the two, never both."""
    limits = {name: (budget(**spec) or {}).get(name) for name in ("maxUnavailable", "minAvailable")}
    assert ({name: value for name, value in limits.items() if value is not None} or None) == want


def test_pods_that_are_not_ready_may_always_go():
    """A crash-looping pod would block a drain for ever."""
    assert budget()["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


shares = st.one_of(st.integers(0, 12), st.integers(0, 100).map(lambda percent: f"{percent}%"))
counts = st.one_of(
    st.integers(1, 10).map(lambda count: ({"replicas": count}, count, count)),
    st.tuples(st.integers(1, 10), st.integers(0, 10)).map(
        lambda pair: (
            {"autoscaling": {"minReplicas": pair[0], "maxReplicas": sum(pair)}},
            pair[0],
            sum(pair),
        )
    ),
    st.just(({}, 1, 20)),
)


@given(counts, st.sampled_from(["maxUnavailable", "minAvailable"]), shares)
def test_one_pod_can_always_be_evicted(count, limit, share):
    """At every number of pods that there can be, whatever the parser accepts."""
    spec, least, most = count
    try:
        found = budget(**spec, disruptionBudget={limit: share})
    except InvalidSpec:
        return  # refused, with what to write instead
    for running in range(least, most + 1):
        if "maxUnavailable" in found:
            desired_healthy = running - pods(found["maxUnavailable"], running)
        else:
            desired_healthy = pods(found["minAvailable"], running)
        assert desired_healthy < running
