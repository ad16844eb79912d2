"""The status is computed whole and written only where it differs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator.api import ModelServer, ModelServerStatus
from modelserver_operator.conditions import Facts, Problem
from modelserver_operator.status import StatusChange, next_status
from status_cases import CASES
from workload_make import workload

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
ALL = ["Accepted", "Available", "Ready", "Stalled"]

GOOD = Facts(workload=workload())
HALF = Facts(
    workload=workload(updated=1, available=0, old=2, progress="ReplicaSetUpdated"), least=2
)
LESS = Facts(
    workload=workload(updated=2, available=1, old=1, progress="ReplicaSetUpdated"), least=2
)


def change(body: dict[str, Any], facts: Facts, now: datetime = NOON) -> StatusChange:
    """Compute the next status of a valid *body*."""
    return next_status(body, ModelServer.parse(body), facts, now)


def stored(body: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Write *patch* into the status."""
    return make.merged(body, {"status": patch})


@pytest.mark.parametrize("facts", [pytest.param(c.facts, id=c.name) for c in CASES])
def test_every_status_keeps_the_rules_of_conditions(facts):
    """All four, once each, of this generation, each with a time, and as the CRD has them."""
    status = change(make.server(generation=7), facts).patch
    assert [c["type"] for c in status["conditions"]] == ALL
    assert {c["observedGeneration"] for c in status["conditions"]} == {7}
    assert {c["lastTransitionTime"] for c in status["conditions"]} == {"2026-01-01T12:00:00Z"}
    assert status["observedGeneration"] == 7
    ModelServerStatus.model_validate(status)


def test_what_is_as_it_was_is_not_written():
    """However much later it is."""
    body = make.server()
    body = stored(body, change(body, GOOD).patch)
    assert change(body, GOOD, LATER) == StatusChange({}, [])


def test_only_what_differs_is_written():
    """The address and the model do not change with a rollout."""
    body = make.server()
    body = stored(body, change(body, GOOD).patch)
    assert set(change(body, HALF, LATER).patch) == {
        "conditions",
        "replicas",
        "updatedReplicas",
    }


def test_the_time_moves_with_the_status_only():
    """Ready turned at noon and has been False since, whatever its message says meanwhile."""
    body = make.server()
    body = stored(body, change(body, HALF, NOON).patch)
    after = change(body, LESS, LATER)
    ready = next(c for c in after.patch["conditions"] if c["type"] == "Ready")
    assert ready["message"].startswith("2 of 2")
    assert ready["lastTransitionTime"] == "2026-01-01T12:00:00Z"
    assert after.turned == []
    body = stored(body, after.patch)
    done = {c["type"]: c for c in change(body, GOOD, LATER).patch["conditions"]}
    assert done["Ready"]["lastTransitionTime"] == "2026-01-01T12:05:00Z"
    assert done["Available"]["lastTransitionTime"] == "2026-01-01T12:00:00Z"


def test_another_reason_is_worth_an_event_and_no_new_time():
    """False for another reason is still False."""
    body = make.server()
    body = stored(body, change(body, HALF).patch)
    stuck = workload(updated=1, available=0, old=2, progress="ProgressDeadlineExceeded")
    after = change(body, Facts(workload=stuck, least=2), LATER)
    assert [(f.type, f.reason) for f in after.turned] == [
        ("Ready", "RolloutStalled"),
        ("Stalled", "RolloutStalled"),
    ]
    times = {c["type"]: c["lastTransitionTime"] for c in after.patch["conditions"]}
    assert times["Ready"] == "2026-01-01T12:00:00Z"
    assert times["Stalled"] == "2026-01-01T12:05:00Z"


def test_a_version_that_is_no_longer_asked_for_is_taken_back():
    """A merge keeps what it is not told to remove."""
    body = make.server()
    body["spec"]["model"]["version"] = "2.0.0"
    body = stored(body, change(body, GOOD).patch)
    assert body["status"]["model"] == {"name": "web", "version": "2.0.0"}
    del body["spec"]["model"]["version"]
    body = stored(body, change(body, GOOD).patch)
    assert body["status"]["model"] == {"name": "web"}
    assert change(body, GOOD).patch == {}


def test_an_invalid_spec_leaves_what_is_known_of_the_model():
    """The pods still serve it."""
    body = make.server()
    body = stored(body, change(body, GOOD).patch)
    bad = Facts(problems=[Problem("InvalidSpec", "x")], workload=workload())
    after = next_status(body, None, bad, LATER)
    assert set(after.patch) == {"conditions"}
    assert stored(body, after.patch)["status"]["model"] == {"name": "web"}


def test_counts_are_those_of_the_newest_replica_set_where_the_deployment_lags():
    """Its controller counts later than the ReplicaSet's; both tell the same in the end."""
    picture = workload(wanted=3, updated=3, available=2)
    assert picture.deployment is not None
    for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"):
        picture.deployment["status"][name] = 0
    status = change(make.server(), Facts(workload=picture)).patch
    counts = [status[n] for n in ("replicas", "updatedReplicas", "availableReplicas", "readyPods")]
    assert counts == [3, 3, 2, "2/3"]


@pytest.mark.parametrize("garbage", [None, 7, "x", [], {"conditions": "none"}, {"conditions": [7]}])
def test_a_stored_status_of_any_form_is_put_right(garbage):
    """Somebody else may have written it, or a version of ours that is no more."""
    body = make.server() | {"status": garbage}
    assert change(body, GOOD).patch == change(make.server(), GOOD).patch
