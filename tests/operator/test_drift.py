"""Would applying again change anything?"""

import pytest

from modelserver_operator.drift import covers


@pytest.mark.parametrize(
    ("live", "desired", "want"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, True, id="what others added is theirs"),
        pytest.param({"a": 2}, {"a": 1}, False, id="an edited value"),
        pytest.param({}, {"a": None}, False, id="a missing field"),
        pytest.param(
            {"limits": {"cpu": "1", "memory": "512Mi"}},
            {"limits": {"cpu": "1000m", "memory": "0.5Gi"}},
            True,
            id="quantities are compared by value",
        ),
        pytest.param({"limits": {"cpu": "2"}}, {"limits": {"cpu": 1}}, False, id="another value"),
        pytest.param(
            {"containers": [{"name": "sidecar"}, {"name": "runtime", "image": "x"}]},
            {"containers": [{"name": "runtime", "image": "x"}]},
            True,
            id="a sidecar beside ours, in any order",
        ),
        pytest.param(
            {"containers": [{"name": "runtime", "image": "y"}]},
            {"containers": [{"name": "runtime", "image": "x"}]},
            False,
            id="our container changed",
        ),
        pytest.param({"drop": ["ALL", "X"]}, {"drop": ["ALL"]}, False, id="a list is taken whole"),
        pytest.param(
            {"ports": [{"port": 81, "protocol": "TCP"}]},
            {"ports": [{"port": 80, "protocol": "TCP"}]},
            False,
            id="our port is not there",
        ),
    ],
)
def test_covers(live, desired, want):
    """Only fields of ours are compared, with the API server's idea of equal."""
    assert covers(live, desired) is want
