"""One situation for every reason a condition can have, and what all four conditions then say."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from modelserver_operator.conditions import Facts, Problem
from modelserver_operator.pod_events import Heard
from modelserver_operator.reasons import Cause
from modelserver_operator.workload import Workload
from workload_make import (
    creating,
    evicted,
    last_words,
    pod,
    running,
    unschedulable,
    waiting,
    workload,
)


class Case(NamedTuple):
    """A situation, and the reasons of Accepted, Available, Ready and Stalled."""

    name: str
    facts: Facts
    accepted: str
    available: str
    ready: str
    stalled: str

    @property
    def reasons(self) -> list[str]:
        """In the order in which they stand in a status."""
        return [self.accepted, self.available, self.ready, self.stalled]


def rolling(*pods: dict, progress: str = "ReplicaSetUpdated", **heard: Cause) -> Facts:
    """Build the middle of a rollout: two old pods serve, one new one is there and not ready."""
    picture = workload(updated=1, available=0, old=2, progress=progress, pods=list(pods))
    return Facts(workload=picture, least=2, heard=Heard(heard))


def told_by_the_runtime(reason: str) -> dict:
    """Build a pod whose runtime ended with *reason*."""
    return last_words(json.dumps({"reason": reason, "message": "this is why"}), code=78)


def refused(reason: str, seconds: float | None = None) -> Facts:
    """Build a server whose newest spec cannot be carried out while the last good one serves."""
    return Facts(problems=[Problem(reason, "Service web: so it is", seconds)], workload=workload())


PODS = {
    "CrashLoop": last_words("Traceback\nImportError: x", code=1),
    "ContainerConfigError": waiting("CreateContainerConfigError", 'secret "x" not found'),
    "Evicted": evicted("The node was low on resource: memory. Container used 3Gi."),
    "ImagePullFailed": waiting("ErrImagePull", "not found"),
    "OutOfMemory": last_words("", code=137, reason="OOMKilled"),
    "Unschedulable": unschedulable("0/2 nodes are available: 2 Insufficient cpu."),
}
HEARD = {
    "ProbeFailing": (running(), "running"),
    "SandboxFailed": (creating(), "creating"),
    "VolumeMountFailed": (creating(), "creating"),
}
REFUSED = (
    "InvalidSpec",
    "NameConflict",
    "Forbidden",
    "QuotaExceeded",
    "ImmutableField",
    "MonitoringUnavailable",
)
NO_RESTART_CURES = (
    "DigestMismatch",
    "GoldenMismatch",
    "InvalidSetting",
    "ModelLoadFailed",
    "ModelNotFound",
    "ModelTooLarge",
    "SignatureInvalid",
    "SourceTooLarge",
    "UnsafeArchive",
    "UnsafeFormat",
    "VersionMismatch",
)


def cases() -> Iterator[Case]:
    """Yield all of them; each is somebody's night."""
    go = "Progressing"
    yield Case("nothing was made yet", Facts(), "Accepted", "NoReadyPods", "RolloutInProgress", go)
    yield Case("all is well", Facts(workload=workload()), "Accepted", "PodsAvailable", "Ready", go)
    yield Case(
        "the new spec was not looked at yet",
        Facts(workload=workload(observed=False)),
        *("Accepted", "PodsAvailable", "RolloutInProgress", go),
    )
    yield Case(
        "only the count is new, and not looked at yet",
        Facts(workload=_scaled_and_unobserved(), guaranteed=2, least=3),
        *("Accepted", "PodsAvailable", "Ready", go),
    )
    yield Case(
        "pods are being replaced", rolling(), "Accepted", "PodsAvailable", "RolloutInProgress", go
    )
    yield Case(
        "all pods are new, one is not available for the first time",
        Facts(workload=workload(available=1, progress="ReplicaSetUpdated"), least=2),
        *("Accepted", "PodsAvailable", "RolloutInProgress", go),
    )
    yield Case(
        "an autoscaler asks for more in the middle of a rollout",
        Facts(workload=workload(wanted=9, available=3, progress="ReplicaSetUpdated"), least=3),
        *("Accepted", "PodsAvailable", "Ready", go),
    )
    yield Case(
        "a pod of a complete rollout is replaced",
        Facts(workload=workload(wanted=4, available=3), guaranteed=3, least=4),
        *("Accepted", "PodsAvailable", "Ready", go),
    )
    yield Case(
        "more pods were asked for than there are",
        Facts(workload=workload(wanted=5, available=2), guaranteed=4, least=5),
        *("Accepted", "NoReadyPods", "ScalingInProgress", go),
    )
    yield Case(
        "no progress, and nobody says why",
        rolling(progress="ProgressDeadlineExceeded"),
        *("Accepted", "PodsAvailable", "RolloutStalled", "RolloutStalled"),
    )
    yield Case(
        "no progress, and a pod says why",
        rolling(PODS["ImagePullFailed"], progress="ProgressDeadlineExceeded"),
        *("Accepted", "PodsAvailable", "ImagePullFailed", "RolloutStalled"),
    )
    yield Case(
        "somebody has paused the rollout",
        rolling(progress="DeploymentPaused"),
        *("Accepted", "PodsAvailable", "RolloutPaused", "RolloutPaused"),
    )
    yield Case(
        "paused when it was complete",
        Facts(workload=workload(progress="DeploymentPaused"), least=2),
        *("Accepted", "PodsAvailable", "Ready", go),
    )
    yield Case(
        "a quota refuses the pods",
        Facts(workload=workload(updated=0, old=2, refused="exceeded quota: q")),
        *("Accepted", "PodsAvailable", "QuotaExceeded", go),
    )
    yield Case(
        "an admission policy refuses the pods",
        Facts(workload=workload(updated=0, old=2, refused='violates PodSecurity "restricted"')),
        *("Accepted", "PodsAvailable", "Forbidden", go),
    )
    yield Case(
        "a quota refuses the ReplicaSet",
        Facts(workload=_replica_set_refused("exceeded quota: count/replicasets")),
        *("Accepted", "PodsAvailable", "QuotaExceeded", go),
    )
    yield Case(
        "suspended",
        Facts(workload=workload(wanted=0), suspended=True, least=0),
        *("Accepted", "Suspended", "Suspended", go),
    )
    yield Case(
        "about to be suspended",
        Facts(workload=workload(wanted=0, updated=2), suspended=True, least=0),
        *("Accepted", "PodsAvailable", "ScalingInProgress", go),
    )
    yield Case(
        "scaled to zero",
        Facts(workload=workload(wanted=0), least=0),
        *("Accepted", "ScaledToZero", "ScaledToZero", go),
    )
    for reason in REFUSED:
        yield Case(f"refused: {reason}", refused(reason), reason, "PodsAvailable", reason, reason)
    garbage = "WaitingForGarbageCollection"
    yield Case("its namesake goes", refused(garbage, 2), garbage, "PodsAvailable", garbage, go)
    for reason, trouble in PODS.items():
        yield Case(
            f"a pod tells: {reason}", rolling(trouble), "Accepted", "PodsAvailable", reason, go
        )
    for reason, (silent, silence) in HEARD.items():
        facts = rolling(silent, **{silence: Cause(reason, "so it was heard")})
        yield Case(f"heard: {reason}", facts, "Accepted", "PodsAvailable", reason, go)
    for reason in NO_RESTART_CURES:
        facts = rolling(told_by_the_runtime(reason))
        yield Case(f"last words: {reason}", facts, "Accepted", "PodsAvailable", reason, reason)
    reason = "ImageVolumeUnsupported"
    facts = rolling(waiting("CreateContainerError", 'failed to mkdir "": mkdir : no such file'))
    yield Case("no image volumes here", facts, "Accepted", "PodsAvailable", reason, reason)
    for reason in ("FetchFailed", "LoadTimeout"):
        facts = rolling(told_by_the_runtime(reason))
        yield Case(f"last words: {reason}", facts, "Accepted", "PodsAvailable", reason, go)
    yield Case(
        "trouble of an older template's pods",
        Facts(workload=workload(pods=[pod(of="r1", state=PODS["CrashLoop"]["status"])])),
        *("Accepted", "PodsAvailable", "Ready", go),
    )


def _scaled_and_unobserved() -> Workload:
    picture = workload(wanted=3, updated=2, observed=False)
    assert picture.deployment is not None
    newest = picture.replica_sets[1]["spec"]["template"]
    deployment = {**picture.deployment, "spec": {"replicas": 3, "template": newest}}
    return Workload(deployment, picture.replica_sets, picture.pods)


def _replica_set_refused(message: str) -> Workload:
    return workload(observed=False, progress="ReplicaSetCreateError", progress_message=message)


CASES = list(cases())
