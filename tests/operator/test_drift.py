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
        pytest.param(
            {"selector": {"a": "1", "b": "2"}},
            {"selector": {"a": "1"}},
            False,
            id="a label more in a selector selects something else",
        ),
        pytest.param(
            {"nodeSelector": {"gpu": "yes"}}, {"nodeSelector": {"gpu": "yes"}}, True, id="equal"
        ),
        pytest.param(
            {"ingress": [{"ports": [{"port": 1, "protocol": "TCP"}], "from": [{}]}]},
            {"ingress": [{"ports": [{"port": 1}]}]},
            False,
            id="a rule is one value, whatever was added to it",
        ),
        pytest.param(
            {"ingress": [{"ports": [{"port": 1, "protocol": "TCP"}]}]},
            {"ingress": [{"ports": [{"port": 1}]}]},
            True,
            id="but for what the API server fills in",
        ),
        pytest.param(
            {"ingress": [{"ports": [{"port": 1, "protocol": "UDP"}]}]},
            {"ingress": [{"ports": [{"port": 1}]}]},
            False,
            id="and fills in differently by nobody",
        ),
        pytest.param(
            {"ingress": [{"ports": [{"port": 1}, {"port": 22}]}]},
            {"ingress": [{"ports": [{"port": 1}]}]},
            False,
            id="ports of a rule are no map: one more is a hole",
        ),
        pytest.param(
            {"metrics": [{"pods": {"target": {"averageValue": "1"}}}]},
            {"metrics": [{"pods": {"target": {"averageValue": "1000m"}}}]},
            True,
            id="quantities inside a list are compared by value too",
        ),
        pytest.param(
            {"metrics": [{"name": "a"}, {"name": "b"}]},
            {"metrics": [{"name": "b"}, {"name": "a"}]},
            False,
            id="another order is another list",
        ),
        pytest.param(
            {"env": [{"name": "N", "value": "1"}]},
            {"env": [{"name": "N", "value": "1.0"}]},
            False,
            id="a text that looks like a quantity is none",
        ),
        pytest.param({"limits": {}}, {"limits": {"cpu": "1"}}, False, id="a limit is gone"),
        pytest.param({"limits": {"cpu": "x"}}, {"limits": {"cpu": "1"}}, False, id="no quantity"),
    ],
)
def test_covers(live, desired, want):
    """Only fields of ours are compared, with the API server's idea of equal."""
    assert covers(live, desired) is want


def test_a_zero_that_the_api_server_leaves_out_is_there() -> None:
    """Or a Deployment with `minReadySeconds: 0` would be applied at every look."""
    assert covers({"spec": {}}, {"spec": {"minReadySeconds": 0}})
    assert not covers({"spec": {}}, {"spec": {"minReadySeconds": 10}})
    assert not covers({"spec": {"minReadySeconds": 10}}, {"spec": {"minReadySeconds": 0}})
    assert not covers({"spec": {}}, {"spec": {"maxUnavailable": 0}})


def test_an_empty_egress_that_the_api_server_leaves_out_is_there() -> None:
    """And a rule that somebody added to a policy that lets nothing out is not."""
    assert covers({"spec": {}}, {"spec": {"egress": []}})
    assert not covers({"spec": {"egress": [{}]}}, {"spec": {"egress": []}})
