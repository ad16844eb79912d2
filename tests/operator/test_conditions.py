"""The four conditions: the first check that fails speaks, cause before symptom."""

import pytest

from modelserver_operator.conditions import Facts, Problem, conditions, silent_pods
from modelserver_operator.reasons import REASONS
from status_cases import CASES, PODS, rolling
from workload_make import creating, last_words, running, waiting, workload


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_reasons(case):
    """All four are always there; each speaks with its most telling reason."""
    found = conditions(case.facts)
    assert [f.type for f in found] == ["Accepted", "Available", "Ready", "Stalled"]
    assert [f.reason for f in found] == case.reasons


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_status_and_its_reason_never_contradict_each_other(case):
    """A reason that speaks of success stands with True only, and the other way round."""
    good = {
        "Accepted": {"Accepted"},
        "Available": {"PodsAvailable"},
        "Ready": {"Ready", "Suspended", "ScaledToZero"},
    }
    status = {f.type: f.status for f in conditions(case.facts)}
    for finding in conditions(case.facts):
        if finding.type == "Stalled":
            assert (finding.status == "False") == (finding.reason == "Progressing")
        else:
            assert (finding.status == "True") == (finding.reason in good[finding.type])
    assert not (status["Ready"] == status["Stalled"] == "True")


def test_every_reason_there_is_has_a_case():
    """Or one could be listed that nothing ever gives."""
    assert {reason for case in CASES for reason in case.reasons} == REASONS


def test_what_waits_for_a_person_speaks_before_what_goes_by_itself():
    """Somebody who reads only one reason should read the one he can do something about."""
    problems = [
        Problem("WaitingForGarbageCollection", "Service web: it goes", 2),
        Problem("NameConflict", "ConfigMap web: it is somebody else's"),
    ]
    accepted, *_, stalled = conditions(Facts(problems=problems))
    assert accepted.message == "ConfigMap web: it is somebody else's (and 1 more)"
    assert (stalled.status, stalled.reason) == ("True", "NameConflict")


REFUSED = (
    'pods "web-5d4b7c8f9-{}" is forbidden: exceeded quota: q, requested: limits.cpu=500m, '
    "used: limits.cpu={}, limited: limits.cpu=2"
)


def test_a_refused_pod_gives_the_same_text_whichever_pod_it_was():
    """Each try has another name, and others use the quota too."""
    told = {
        conditions(Facts(workload=workload(updated=0, old=2, refused=words)))[2].message
        for words in (REFUSED.format("abcde", "1900m"), REFUSED.format("xyz12", "2"))
    }
    assert told == {"exceeded quota: q, requested: limits.cpu=500m, limited: limits.cpu=2"}


def test_a_refusal_of_an_older_template_is_no_trouble_of_the_newest():
    """The Deployment repeats it, its newest ReplicaSet does not."""
    picture = workload(updated=1, available=1, old=1, progress="ReplicaSetUpdated")
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
    picture.deployment["status"]["conditions"].append(failure)
    picture.replica_sets[0]["status"]["conditions"] = [failure]
    assert conditions(Facts(workload=picture, least=2))[2].reason == "RolloutInProgress"


def test_a_message_says_how_far_the_newest_spec_is():
    """Old pods that still serve are not counted as progress."""
    ready = conditions(rolling())[2]
    assert ready.message == ("1 of 2 pods run the newest spec, 0 of them are available")


@pytest.mark.parametrize(
    ("facts", "asked"),
    [
        pytest.param(rolling(creating("a"), running("b")), ["a", "b"], id="pods that say nothing"),
        pytest.param(
            rolling(creating("a"), PODS["CrashLoop"]), [], id="not where one says what is wrong"
        ),
        pytest.param(
            Facts(workload=workload(wanted=4, available=3, pods=[running()]), guaranteed=3),
            [],
            id="not where enough are available",
        ),
        pytest.param(
            Facts([Problem("InvalidSpec", "x")], workload(pods=[creating()])),
            [],
            id="not where Ready speaks of the spec",
        ),
        pytest.param(
            Facts(workload=workload(observed=False, pods=[creating()])),
            [],
            id="not before the newest template has pods",
        ),
    ],
)
def test_others_are_asked_of_pods_only_where_it_matters(facts, asked):
    """A request to the API server is made for a reason."""
    assert [pod["metadata"]["uid"] for pod in silent_pods(facts)] == asked


def test_a_cause_that_no_restart_cures_speaks_before_one_that_is_commoner():
    """More room for the others would not help."""
    full = [waiting("ErrImagePull", "not found", uid) for uid in ("a", "b")]
    wrong = last_words('{"reason": "DigestMismatch", "message": "a, not b"}', "c")
    ready = conditions(rolling(*full, wrong))[2]
    assert (ready.reason, ready.message) == ("DigestMismatch", "1 of 3 pods: a, not b")
