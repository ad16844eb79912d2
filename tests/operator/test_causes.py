"""The root cause of pods that are not ready: one sentence that stays the same."""

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
