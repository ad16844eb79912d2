"""The four conditions: the first check that fails speaks, cause before symptom."""

import pytest

import modelserver_make as make
from modelserver_operator.conditions import Facts, Problem, conditions

MISMATCH = make.ended('{"reason": "DigestMismatch", "message": "a, not b"}')
BAD_POD = make.pod(state=MISMATCH)
NEWEST = [make.replica_set("r1", 1), make.replica_set("r2", 2)]


@pytest.mark.parametrize(
    ("facts", "want"),
    [
        pytest.param(
            Facts(deployment=make.deployment()),
            {"Accepted": "Accepted", "Available": "PodsAvailable", "Ready": "Ready"},
            id="all is well",
        ),
        pytest.param(
            Facts(deployment=make.deployment(observed=0)),
            {"Available": "PodsAvailable", "Ready": "RolloutInProgress"},
            id="counts of the previous spec are not believed",
        ),
        pytest.param(
            Facts(deployment=make.deployment(updated=1, total=3, progressing="ReplicaSetUpdated")),
            {"Available": "PodsAvailable", "Ready": "RolloutInProgress"},
            id="old pods that still serve do not count",
        ),
        pytest.param(
            Facts(
                deployment=make.deployment(updated=1, total=3),
                replica_sets=NEWEST,
                pods=[BAD_POD, make.pod("r1", ready=True)],
            ),
            {"Available": "PodsAvailable", "Ready": "DigestMismatch", "Stalled": "DigestMismatch"},
            id="a wrong digest is named while the old pods serve",
        ),
        pytest.param(
            Facts(
                deployment=make.deployment(),
                replica_sets=NEWEST,
                pods=[make.pod("r1", state=MISMATCH)],
            ),
            {"Ready": "Ready", "Stalled": "Progressing"},
            id="trouble of an older template's pods is no trouble of the newest",
        ),
        pytest.param(
            Facts(deployment=make.deployment(replicas=4, available=3)),
            {"Available": "PodsAvailable", "Ready": "Ready"},
            id="one replaced pod lowers nothing",
        ),
        pytest.param(
            Facts(deployment=make.deployment(replicas=5, updated=5, available=2)),
            {"Available": "NoReadyPods", "Ready": "ScalingInProgress"},
            id="fewer than guaranteed after the rollout",
        ),
        pytest.param(
            Facts(deployment=make.deployment(available=0, progressing="ProgressDeadlineExceeded")),
            {"Ready": "RolloutStalled", "Stalled": "RolloutStalled"},
            id="the deadline has passed and no pod says why",
        ),
        pytest.param(
            Facts(deployment=make.deployment(updated=0, available=0, refused="exceeded quota: q")),
            {"Accepted": "Accepted", "Ready": "QuotaExceeded"},
            id="a pod was refused by the quota",
        ),
        pytest.param(
            Facts(deployment=make.deployment(replicas=0, updated=0, available=0), suspended=True),
            {"Available": "Suspended", "Ready": "Suspended", "Stalled": "Progressing"},
            id="suspended is ready and not available",
        ),
        pytest.param(
            Facts(deployment=make.deployment(replicas=0, updated=0, available=0)),
            {"Available": "ScaledToZero", "Ready": "ScaledToZero"},
            id="so is scaled to zero",
        ),
        pytest.param(
            Facts(problems=[Problem("NameConflict", "Service web: …")]),
            {"Accepted": "NameConflict", "Ready": "NameConflict", "Stalled": "NameConflict"},
            id="a stranger in the way waits for a person",
        ),
        pytest.param(
            Facts(problems=[Problem("WaitingForGarbageCollection", "…", 2)]),
            {"Accepted": "WaitingForGarbageCollection", "Stalled": "Progressing"},
            id="garbage goes by itself",
        ),
        pytest.param(
            Facts(problems=[Problem("InvalidSpec", "…")], deployment=make.deployment()),
            {"Accepted": "InvalidSpec", "Available": "PodsAvailable", "Ready": "InvalidSpec"},
            id="a bad spec leaves the last good pods serving",
        ),
    ],
)
def test_reasons(facts, want):
    """All four are always there; each speaks with its most telling reason."""
    found = conditions(facts)
    assert [f.type for f in found] == ["Accepted", "Available", "Ready", "Stalled"]
    assert {f.type: f.reason for f in found if f.type in want} == want


def test_ready_and_stalled_are_never_both_true():
    """Kstatus would not know what to make of it."""
    facts = Facts(deployment=make.deployment(replicas=0, updated=0, available=0), suspended=True)
    status = {f.type: f.status for f in conditions(facts)}
    assert (status["Ready"], status["Stalled"], status["Available"]) == ("True", "False", "False")
