"""The root cause of pods that are not ready: one sentence that stays the same."""

import json

import pytest

import modelserver_make as make
from modelserver_operator.causes import Cause, root_cause

MISMATCH = '{"reason": "DigestMismatch", "message": "the digest is a, not b"}'


@pytest.mark.parametrize(
    ("pods", "want"),
    [
        pytest.param([], None, id="no pods, no cause"),
        pytest.param([make.pod(ready=True)], None, id="a ready pod has none"),
        pytest.param([make.pod(state={"running": {}})], None, id="a pod that starts tells nothing"),
        pytest.param(
            [make.pod(state=make.ended(MISMATCH)), make.pod(state={"running": {}})],
            Cause("DigestMismatch", "1 of 2 pods: the digest is a, not b"),
            id="the runtime's own words",
        ),
        pytest.param(
            [make.pod(state={"running": {}}, lastState=make.ended(MISMATCH))],
            Cause("DigestMismatch", "1 of 1 pods: the digest is a, not b"),
            id="the same while it starts again",
        ),
        pytest.param(
            [make.pod(lastState=make.ended("", code=137, reason="OOMKilled"))],
            Cause(
                "OutOfMemory",
                "1 of 1 pods: container runtime was killed by the kernel for lack of memory: "
                "raise resources.limits.memory",
            ),
            id="killed by the kernel",
        ),
        pytest.param(
            [make.pod(state=make.ended("one\nImportError: x.", code=3))],
            Cause("CrashLoop", "1 of 1 pods: container runtime exited with code 3: ImportError: x"),
            id="the last line of the log",
        ),
        pytest.param(
            [make.pod(state=make.ended("", code=0))], None, id="an end without an error is none"
        ),
    ],
)
def test_root_cause(pods, want):
    """The commonest cause speaks, with how many pods it has."""
    assert root_cause(pods) == want


def test_a_pull_that_fails_and_one_that_backs_off_give_the_same_text():
    """Or every retry of the kubelet would be a write of ours."""
    failed = {"reason": "ErrImagePull", "message": "not found"}
    waits = {
        "reason": "ImagePullBackOff",
        "message": 'Back-off pulling image "localhost/x:1": ErrImagePull: not found',
    }
    told = {root_cause([make.pod(state={"waiting": state})]) for state in (failed, waits)}
    assert told == {Cause("ImagePullFailed", "1 of 1 pods: localhost/x:1: not found")}


@pytest.mark.parametrize(
    "words",
    [
        pytest.param('{"reason": "", "message": "x"}', id="an empty reason"),
        pytest.param('{"reason": "no such thing", "message": "x"}', id="a sentence as a reason"),
        pytest.param('{"reason": {}, "message": "x"}', id="an object"),
        pytest.param('{"reason": "Broken"}', id="no message"),
        pytest.param('["Broken"]', id="a list"),
        pytest.param('"Broken"', id="a string"),
    ],
)
def test_what_is_not_the_runtimes_form_is_the_last_line_of_a_log(words):
    """An image of the user's own writes what it likes; the status must stay acceptable."""
    cause = root_cause([make.pod(state=make.ended(words))])
    said = f"1 of 1 pods: container runtime exited with code 1: {words}"
    assert cause == Cause("CrashLoop", said)


def test_words_are_one_line_of_bounded_length():
    """A status is read in a terminal, and kept in etcd."""
    cause = root_cause([make.pod(state=make.ended("x" * 5000))])
    assert cause is not None
    assert len(cause.message) < 700
    told = {"reason": "Broken", "message": "one\n  two."}
    assert root_cause([make.pod(state=make.ended(json.dumps(told)))]) == Cause(
        "Broken", "1 of 1 pods: one two"
    )


def test_a_pod_that_fits_nowhere_says_what_the_scheduler_says():
    """There is no container yet that could say anything."""
    pod = make.pod()
    message = "0/3 nodes are available: 3 Insufficient cpu."
    scheduled = {"type": "PodScheduled", "status": "False", "message": message}
    pod["status"] = {"conditions": [scheduled]}
    assert root_cause([pod]) == Cause("Unschedulable", f"1 of 1 pods: {message[:-1]}")


def test_the_cause_of_most_pods_speaks_and_of_equals_always_the_same():
    """Or the text would change with the order in which pods are seen."""
    killed = make.pod(lastState=make.ended("", code=137, reason="OOMKilled"))
    wrong = make.pod(state=make.ended(MISMATCH))
    most = root_cause([killed, wrong, wrong])
    assert most is not None
    assert most.reason == "DigestMismatch"
    assert root_cause([killed, wrong]) == root_cause([wrong, killed])


def test_pods_that_are_going_do_not_count():
    """They belong to what was."""
    pod = make.pod(state=make.ended(MISMATCH))
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert root_cause([pod]) is None
