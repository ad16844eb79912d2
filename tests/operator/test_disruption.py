"""How many pods must always answer, and how many a drain may take."""

import pytest

import modelserver_make as make
from modelserver_operator.api import ModelServer
from modelserver_operator.children.disruption import guaranteed_pods

AUTOSCALED = {"minReplicas": 3, "maxReplicas": 9}


@pytest.mark.parametrize(
    ("spec", "wanted", "want"),
    [
        pytest.param({"replicas": 1}, 1, 1, id="a lone pod is needed"),
        pytest.param({"replicas": 2}, 2, 1, id="one may be missing"),
        pytest.param({}, 5, 4, id="a count of somebody else's is taken as it is"),
        pytest.param({"replicas": 0}, 0, 1, id="none at all answers nothing"),
        pytest.param(
            {"autoscaling": AUTOSCALED}, 8, 2, id="what an autoscaler added is no guarantee"
        ),
        pytest.param({"autoscaling": AUTOSCALED}, 2, 1, id="nor is what it has not added yet"),
        pytest.param(
            {"replicas": 5, "disruptionBudget": {"maxUnavailable": 2}},
            5,
            3,
            id="two may be missing",
        ),
        pytest.param(
            {"replicas": 5, "disruptionBudget": {"maxUnavailable": "30%"}},
            5,
            3,
            id="a share is rounded up",
        ),
        pytest.param(
            {"replicas": 5, "disruptionBudget": {"maxUnavailable": "100%"}},
            5,
            1,
            id="where all may be missing, one is still needed to answer",
        ),
        pytest.param(
            {"replicas": 5, "disruptionBudget": {"minAvailable": 2}}, 5, 2, id="two must stay"
        ),
        pytest.param(
            {"replicas": 5, "disruptionBudget": {"minAvailable": "50%"}},
            5,
            3,
            id="a share that must stay is rounded up",
        ),
        pytest.param(
            {"replicas": 5, "disruptionBudget": {"minAvailable": 3}},
            2,
            1,
            id="more than there are yet cannot stay: one may go",
        ),
        pytest.param(
            {"replicas": 4, "disruptionBudget": {"policy": "None"}},
            4,
            3,
            id="without a budget, one may be missing",
        ),
    ],
)
def test_guaranteed_pods(spec, wanted, want):
    """The least that is wanted, less what may be missing, and never none."""
    assert guaranteed_pods(ModelServer.parse(make.server(**spec)), wanted) == want
