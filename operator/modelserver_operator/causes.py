"""Why pods are not ready: the root cause over all pods of the newest template."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from modelserver_operator import labels, lenient
from modelserver_operator.reasons import PERMANENT, Cause, is_runtime_reason
from modelserver_operator.sentences import lasting, sentence

Body = Mapping[str, Any]

Silence = Literal["creating", "starting", "running", "ending"]
"""
What a pod is at that is not ready and does not say why.

* creating   no container has started: volumes, network, or an image that is being pulled
* starting   a container runs and has not passed its startup probe for the first time
* running    a container runs and does not pass its readiness probe
* ending     a container ends without an error and is started again
"""

_PULL: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_NO_TROUBLE: Final = frozenset({"", "ContainerCreating", "PodInitializing", "CrashLoopBackOff"})
_PULL_PREFIX: Final = re.compile(
    r'^(Back-off pulling image "[^"]*"[:,]?\s*)?(ErrImagePull:\s*)?(rpc error: code = \w+ desc = )?'
)
_PULLED_IMAGE: Final = re.compile(r'^Back-off pulling image "([^"]*)"')
_NO_IMAGE_VOLUMES: Final = 'failed to mkdir ""'
"""What containerd before 2.1 says of an image volume: to it that is a folder without a name."""
_PREEMPTION: Final = re.compile(r"\s*preemption: .*$", re.DOTALL)
_CUT_OFF: Final = re.compile(r'^\{"reason": "([A-Za-z]+)", "message": "(.*)$', re.DOTALL)


def root_cause(pods: Iterable[Body], heard: Mapping[Silence, Cause]) -> Cause | None:
    """
    Find what keeps most of *pods* from being ready.

    Args:
        pods: all of the newest template.
        heard: what others told of pods that do not speak themselves.

    Returns:
        The commonest cause with "n of m pods: " before it, one that no restart cures before all
        others; None where nothing is known. The same trouble gives the same text, however often a
        container restarts.
    """
    living = [pod for pod in pods if not _is_going(pod) and not _has_ended(pod)]
    told = [cause for pod in living if (cause := cause_of(pod) or _heard_of(pod, heard))]
    if told:
        return _commonest(told, len(living))
    ended = [cause for pod in pods if not _is_going(pod) and (cause := _eviction(pod))]
    return _commonest(ended, len(ended)) if ended else None


def cause_of(pod: Body) -> Cause | None:
    """Find what the status of *pod* tells, without the number of pods."""
    if lenient.condition(pod, "Ready").get("status") == "True":
        return None
    scheduled = lenient.condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        words = _PREEMPTION.sub("", lenient.text(scheduled, "message"))
        return Cause("Unschedulable", lasting(words) or "not scheduled yet")
    name = lenient.text(pod, "metadata", "name")
    return next((cause for c in _containers(pod) for cause in _of_container(c, name)), None)


def silence_of(pod: Body) -> Silence | None:
    """Tell what *pod* is at; None where it is ready, is going, or says itself what is wrong."""
    if _is_going(pod) or _has_ended(pod) or cause_of(pod) is not None:
        return None
    if lenient.condition(pod, "Ready").get("status") == "True":
        return None
    if lenient.condition(pod, "PodScheduled").get("status") != "True":
        return None  # no kubelet knows of it
    unready = [c for c in _containers(pod) if c.get("ready") is not True]
    if unready and _is_fetching(unready[0]):
        return None  # that takes its time; when it fails, it says so itself
    return _silence_of_container(unready[0]) if unready else "creating"


def _is_fetching(container: Body) -> bool:
    is_fetch = container.get("name") == labels.FETCH_CONTAINER
    return is_fetch and "running" in lenient.mapping(container, "state")


def _silence_of_container(container: Body) -> Silence:
    if "running" in lenient.mapping(container, "state"):
        first = lenient.count(container, "restartCount") == 0
        return "starting" if first and container.get("started") is False else "running"
    ended = lenient.mapping(container, "lastState", "terminated")
    return "ending" if ended or lenient.mapping(container, "state", "terminated") else "creating"


def _containers(pod: Body) -> list[Body]:
    """List those that start the pod, and have not done so, before those that serve."""
    status = lenient.mapping(pod, "status")
    first = lenient.entries(status, "initContainerStatuses")
    return [
        *(c for c in first if not _is_done(c)),
        *lenient.entries(status, "containerStatuses"),
    ]


def _is_done(init_container: Body) -> bool:
    """Whether it has ended well; how often it had failed before is of no interest any more."""
    return lenient.mapping(init_container, "state", "terminated").get("exitCode") == 0


def _heard_of(pod: Body, heard: Mapping[Silence, Cause]) -> Cause | None:
    silence = silence_of(pod)
    return None if silence is None else heard.get(silence)


def _commonest(told: Sequence[Cause], pods: int) -> Cause:
    reasons = Counter(cause.reason for cause in told)
    reason = min(reasons, key=lambda each: (each not in PERMANENT, -reasons[each], each))
    messages = Counter(cause.message for cause in told if cause.reason == reason)
    message = min(messages, key=lambda each: (-messages[each], each))
    return Cause(reason, f"{reasons[reason]} of {pods} pods: {message}")


def _is_going(pod: Body) -> bool:
    return "deletionTimestamp" in lenient.mapping(pod, "metadata")


def _has_ended(pod: Body) -> bool:
    """Whether it has ended for good; its ReplicaSet makes another, and it stays for a while."""
    return lenient.text(pod, "status", "phase") in ("Failed", "Succeeded")


def _eviction(pod: Body) -> Cause | None:
    if lenient.text(pod, "status", "reason") != "Evicted":
        return None
    # What follows the first sentence is amounts that differ from pod to pod.
    words = lenient.text(pod, "status", "message").split(". ")[0]
    return Cause("Evicted", lasting(words) or "the node needed the room")


def _of_container(container: Body, pod_name: str) -> Iterator[Cause]:
    """What a container says of itself, its own last words before the kubelet's."""
    where = f"container {lenient.text(container, 'name')}"
    waiting = lenient.mapping(container, "state", "waiting")
    reason, words = lenient.text(waiting, "reason"), lenient.text(waiting, "message")
    if reason in _PULL:
        pulled = _PULLED_IMAGE.match(words)
        image = pulled[1] if pulled else lenient.text(container, "image")
        told = lasting(_PULL_PREFIX.sub("", words), pod_name)
        yield Cause("ImagePullFailed", sentence(f"{image}: {told or 'cannot be pulled'}"))
    for ended in _ends(container):
        yield _of_end(where, ended, pod_name)
    if _NO_IMAGE_VOLUMES in words:
        yield Cause(
            "ImageVolumeUnsupported",
            "the node's container runtime has no image volumes: containerd has them from 2.1 on",
        )
    if reason not in _NO_TROUBLE:  # also what a newer kubelet calls it
        told = lasting(words, pod_name) or reason
        yield Cause("ContainerConfigError", sentence(f"{where}: {told}"))


def _ends(container: Body) -> Iterator[Body]:
    for state in ("state", "lastState"):
        terminated = lenient.mapping(container, state, "terminated")
        if terminated and terminated.get("exitCode") != 0:
            yield terminated


def _of_end(where: str, ended: Body, pod_name: str) -> Cause:
    if ended.get("reason") == "OOMKilled":
        return Cause(
            "OutOfMemory",
            f"{where} was killed by the kernel for lack of memory: raise resources.limits.memory",
        )
    words = lenient.text(ended, "message").strip()
    last_line = words.splitlines()[-1] if words else "no last words"
    told = _runtime_words(words) or _runtime_words(last_line)
    if told is not None:
        return told
    code = lenient.count(ended, "exitCode")
    return Cause(
        "CrashLoop", sentence(f"{where} exited with code {code}: {lasting(last_line, pod_name)}")
    )


def _runtime_words(words: str) -> Cause | None:
    """
    Read the runtime's termination message: one JSON object with reason and message.

    The kubelet keeps 4096 bytes of it, so a long one has lost its end.
    """
    try:
        told = json.loads(words)
    except (ValueError, RecursionError):
        cut = _CUT_OFF.match(words)
        told = {"reason": cut[1], "message": cut[2]} if cut else {}
    reason, message = lenient.text(told, "reason"), lenient.text(told, "message")
    return Cause(reason, sentence(message)) if is_runtime_reason(reason) and message else None
