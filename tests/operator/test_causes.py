"""The root cause of pods that are not ready: one sentence that stays the same."""

import json

import pytest

import modelserver_make as make
import workload_make
from modelserver_operator import causes
from modelserver_operator.causes import silence_of
from modelserver_operator.reasons import Cause
from workload_make import creating, evicted, fetching, running, unschedulable, waiting


def root_cause(pods, heard=None):
    """Find the root cause where nobody was asked."""
    return causes.root_cause(pods, heard or {})


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
        pytest.param('{"reason": "Suspended", "message": "x"}', id="a reason that is not its own"),
        pytest.param('{"reason": "Broken", "message": "x"}', id="a reason that nobody knows"),
        pytest.param('{"reason": {}, "message": "x"}', id="an object"),
        pytest.param('{"reason": "LoadTimeout"}', id="no message"),
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
    told = {"reason": "ModelLoadFailed", "message": "one\n  two."}
    assert root_cause([make.pod(state=make.ended(json.dumps(told)))]) == Cause(
        "ModelLoadFailed", "1 of 1 pods: one two"
    )


def test_a_pod_that_fits_nowhere_says_what_the_scheduler_says():
    """There is no container yet that could say anything; preemption is no way out."""
    message = "0/3 nodes are available: 3 Insufficient cpu."
    more = " preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
    want = Cause("Unschedulable", f"1 of 1 pods: {message[:-1]}")
    assert root_cause([unschedulable(message)]) == want
    assert root_cause([unschedulable(message + more)]) == want


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


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        pytest.param(
            waiting("InvalidImageName", 'couldn\'t parse image "X:"'),
            "ImagePullFailed",
            id="a name that no image can have",
        ),
        pytest.param(
            waiting("CreateContainerError", "failed: context canceled"),
            "ContainerConfigError",
            id="a container that the node cannot make",
        ),
        pytest.param(
            waiting("SomethingNewer", "what a newer kubelet says"),
            "ContainerConfigError",
            id="a word that we do not know yet",
        ),
    ],
)
def test_what_a_container_waits_for(pod, want):
    """The kubelet's words, whatever it calls them."""
    cause = root_cause([pod])
    assert cause is not None
    assert cause.reason == want


def test_an_image_of_a_volume_is_named_instead_of_the_containers():
    """The kubelet tells of both in the container's status."""
    words = 'Back-off pulling image "localhost/model:1": ErrImagePull: not found'
    cause = root_cause([waiting("ImagePullBackOff", words)])
    assert cause == Cause("ImagePullFailed", "1 of 1 pods: localhost/model:1: not found")


def test_a_runtime_without_image_volumes_is_named():
    """As containerd 1.7 says it, to which such a mount is a folder without a name."""
    words = (
        'failed to generate container "17ef16ca1d2bfc0b8c078b9eb4a0b033e14f1e4770d1eaf664002a34be95'
        '6428" spec: failed to generate spec: failed to mkdir "": mkdir : no such file or directory'
    )
    cause = root_cause([waiting("CreateContainerError", words)])
    assert cause is not None
    assert cause.reason == "ImageVolumeUnsupported"
    assert "containerd has them from 2.1 on" in cause.message


def test_last_words_may_be_the_last_line_of_a_log():
    """The kubelet takes the log where no termination message was written."""
    words = 'starting\n{"reason": "InvalidSetting", "message": "MODELSERVER_X is not known"}\n'
    cause = root_cause([make.pod(state=make.ended(words, code=64))])
    assert cause == Cause("InvalidSetting", "1 of 1 pods: MODELSERVER_X is not known")


def test_last_words_that_were_cut_off_are_understood():
    """The kubelet keeps 4096 bytes."""
    words = json.dumps({"reason": "UnsafeFormat", "message": "type " * 2000})[:4096]
    cause = root_cause([make.pod(state=make.ended(words, code=78))])
    assert cause is not None
    assert cause.reason == "UnsafeFormat"
    assert cause.message.startswith("1 of 1 pods: type type")


def test_an_evicted_pod_speaks_where_no_living_one_does():
    """Its amounts differ from pod to pod; a pod that was evicted long ago is no trouble now."""
    words = "The node was low on resource: memory. Container runtime was using {}Mi, request 256Mi."
    gone = [evicted(words.format(amount), f"p{amount}") for amount in (301, 305)]
    want = Cause("Evicted", "2 of 2 pods: The node was low on resource: memory")
    assert root_cause([*gone, creating("new")]) == want
    living = waiting("ErrImagePull", "not found", "new")
    assert root_cause([*gone, living]) == Cause(
        "ImagePullFailed", "1 of 1 pods: localhost/x:1: not found"
    )


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        pytest.param(make.pod(ready=True), None, id="a ready pod has nothing to tell"),
        pytest.param(unschedulable("0/1 nodes"), None, id="the scheduler told"),
        pytest.param(waiting("ErrImagePull", "no"), None, id="the kubelet told"),
        pytest.param(creating(), "creating", id="volumes, network, or a long pull"),
        pytest.param(running(started=False), "starting", id="a model that is being loaded"),
        pytest.param(running(), "running", id="it was ready, or should be"),
        pytest.param(
            running(started=False, restarts=1), "running", id="it had all its time once before"
        ),
        pytest.param(
            workload_make.last_words("", code=0, reason="Completed"),
            "ending",
            id="it was told to end, and ended well",
        ),
    ],
)
def test_silence(pod, want):
    """What a pod is at that does not say why it is not ready."""
    assert silence_of(pod) == want


def test_a_sidecar_that_is_not_ready_is_what_the_pod_is_at():
    """Others may add containers to our pods."""
    pod = running()
    mesh = {"name": "mesh", "ready": False, "state": {"waiting": {"reason": "PodInitializing"}}}
    pod["status"]["containerStatuses"] = [{"name": "runtime", "ready": True}, mesh]
    assert silence_of(pod) == "creating"


def test_one_pod_speaks_for_all_that_are_at_the_same():
    """Only one or two of them are asked about."""
    heard = {"creating": Cause("VolumeMountFailed", 'configmap "x" not found')}
    pods = [creating("a"), creating("b"), running("c")]
    want = Cause("VolumeMountFailed", '2 of 3 pods: configmap "x" not found')
    assert root_cause(pods, heard) == want


def test_pods_with_the_same_trouble_are_counted_together_whatever_their_words():
    """Each line of a log may differ; how many pods crash is what matters."""
    pods = [
        make.pod(state=make.ended("ImportError: x")),
        make.pod(state=make.ended("ImportError: x")),
        make.pod(state=make.ended("ImportError: y")),
        make.pod(ready=True),
    ]
    words = "container runtime exited with code 1: ImportError: x"
    assert root_cause(pods) == Cause("CrashLoop", f"3 of 4 pods: {words}")


FAILED = '{"reason": "FetchFailed", "message": "http://store/m.tar: it answers 503"}'
RUNS = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
BACKS_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting"}}
DONE = make.ended("", code=0, reason="Completed")


@pytest.mark.parametrize(
    "states",
    [
        pytest.param({"state": make.ended(FAILED, code=69)}, id="it has just failed"),
        pytest.param({"state": BACKS_OFF, "lastState": make.ended(FAILED)}, id="it backs off"),
        pytest.param({"state": RUNS, "lastState": make.ended(FAILED)}, id="it tries again"),
    ],
)
def test_a_fetch_that_fails_says_the_same_for_as_long_as_it_does(states):
    """Its container comes and goes meanwhile."""
    want = Cause("FetchFailed", "1 of 1 pods: http://store/m.tar: it answers 503")
    assert root_cause([fetching(**states)]) == want


@pytest.mark.parametrize(
    "states",
    [
        pytest.param({"state": RUNS, "restartCount": 0, "started": True}, id="at first"),
        pytest.param({"state": RUNS, "restartCount": 3, "started": True}, id="once more"),
    ],
)
def test_a_fetch_that_runs_is_no_trouble_and_nobody_is_asked_about_it(states):
    """A large model takes its time; no probe looks at a container that fetches."""
    pod = fetching(**states)
    assert root_cause([pod]) is None
    assert silence_of(pod) is None


def test_a_fetch_that_waits_for_a_volume_is_a_pod_that_is_being_created():
    """The kubelet's Events say which Secret is missing."""
    pod = fetching(state={"waiting": {"reason": "PodInitializing"}})
    assert silence_of(pod) == "creating"


def test_a_fetch_that_had_failed_and_was_done_then_is_forgotten():
    """What is at work now is the runtime."""
    pod = fetching(state=DONE, lastState=make.ended(FAILED), ready=True)
    assert root_cause([pod]) is None
    pod["status"]["containerStatuses"][0] |= {"state": RUNS, "started": False}
    assert silence_of(pod) == "starting"


def test_a_fetch_that_is_killed_for_its_memory_is_named():
    """It has the limit of the runtime."""
    killed = make.ended("", code=137, reason="OOMKilled")
    cause = root_cause([fetching(state=BACKS_OFF, lastState=killed)])
    assert cause is not None
    assert cause.reason == "OutOfMemory"
    assert "container fetch was killed by the kernel" in cause.message
