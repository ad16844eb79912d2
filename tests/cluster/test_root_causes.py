"""
Each root cause, produced for real, is named within 20 s of the moment the cluster shows it.

All are there at the same time, each in a namespace of its own. What shows a cause is the pod's
status, an Event, the Deployment's condition or, where the API server refuses a child, the
ModelServer itself; that and the condition are seen through watches that began together.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import artifacts
import pytest
from cluster_access import RESTRICTED, ROOT, TINY, Cluster, installed_image, model_server
from diary import Body, Diary, condition_of, says, watched
from leftovers import TROUBLE_LABEL

pytestmark = pytest.mark.cluster

NAME = "broken"
NAMED_WITHIN_SECONDS = 20
SHOWN_WITHIN_SECONDS = 150
BUNDLED = {"source": {"bundled": {"path": "/models/breast-cancer"}}}
Sign = tuple[str, Callable[[Body], object]]


def waits(*reasons: str) -> Sign:
    """A container waits for one of *reasons*."""
    return "Pod", lambda pod: any(
        s["state"].get("waiting", {}).get("reason") in reasons for s in _containers(pod)
    )


def ended(words: str) -> Sign:
    """A container has ended, with *words* as the kubelet's reason or in its last message."""
    return "Pod", lambda pod: any(
        words in end.get("message", "") or words == end["reason"] for end in _ends(pod)
    )


def crashed() -> Sign:
    """A container has ended in an error, whatever its words."""
    return "Pod", lambda pod: any(end["exitCode"] for end in _ends(pod))


def unscheduled() -> Sign:
    """The scheduler has found no node."""
    return "Pod", lambda pod: condition_of(pod, "PodScheduled").get("status") == "False"


def refused_pod() -> Sign:
    """The API server has refused a pod to the ReplicaSet."""
    return (
        "Deployment",
        lambda deployment: condition_of(deployment, "ReplicaFailure").get("status") == "True",
    )


def told(reason: str) -> Sign:
    """The kubelet has sent an Event."""
    return "Event", lambda event: event["reason"] == reason


def applied() -> Sign:
    """The ModelServer is there: the rest is between the operator and the API server."""
    return "ModelServer", lambda _server: True


@dataclass(frozen=True)
class Trouble:
    """
    One way for a ModelServer not to work.

    Args:
        name: of the case, and of its namespace.
        reason: that must be given.
        says: what must stand in the message.
        sign: what in the cluster shows the cause.
        spec: of the ModelServer, on top of one small pod of the bundled model.
        beside: other objects of the namespace.
        condition: which gives the reason.
        stalled: whether a person is needed.
    """

    name: str
    reason: str
    says: str
    sign: Sign
    spec: dict[str, Any] = field(default_factory=dict)
    beside: tuple[dict[str, Any], ...] = ()
    condition: str = "Ready"
    stalled: bool = False


def _from_config_map(content: artifacts.Files) -> dict[str, Any]:
    return {
        "spec": {"model": artifacts.source("model", content)},
        "beside": (artifacts.config_map("model", content),),
    }


def _quota(**hard: str) -> dict[str, Any]:
    metadata = {"name": "quota"}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": metadata,
        "spec": {"hard": hard},
    }


def _policy(namespace: str, resource: str) -> tuple[dict[str, Any], ...]:
    """Refuse every new *resource* in the namespace of that case."""
    version = {"apiVersion": "admissionregistration.k8s.io/v1"}
    metadata = {"name": f"no-{resource}", "labels": {TROUBLE_LABEL: namespace}}
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": [resource],
    }
    here = {"matchLabels": {TROUBLE_LABEL: namespace}}
    refusal = {"expression": "false", "message": f"the house has no room for {resource}"}
    return (
        version
        | {
            "kind": "ValidatingAdmissionPolicy",
            "metadata": metadata,
            "spec": {
                "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
                "validations": [refusal],
            },
        },
        version
        | {
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": {"policyName": metadata["name"], "validationActions": ["Deny"]},
        },
    )


def troubles(operator_image: str, pause_image: str) -> tuple[Trouble, ...]:
    """List them all."""
    return (
        Trouble(
            "no-image",
            "ImagePullFailed",
            "registry.invalid/none:1",
            waits("ErrImagePull", "ImagePullBackOff"),
            {"image": "registry.invalid/none:1"},
        ),
        Trouble(
            "crash",
            "CrashLoop",
            "container runtime exited with code 1",
            crashed(),
            {"image": operator_image},  # which ends at once where it may not talk to the API server
        ),
        Trouble(
            "memory",
            "OutOfMemory",
            "raise resources.limits.memory",
            ended("OOMKilled"),
            {"resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "32Mi"}}},
        ),
        Trouble(  # room for the process, and none for the model
            "small",
            "ModelTooLarge",
            "more than 90% of 64 MiB",
            ended("ModelTooLarge"),
            {"resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}},
            stalled=True,
        ),
        Trouble(
            "digest",
            "DigestMismatch",
            "sha256:" + "0" * 64,
            ended("DigestMismatch"),
            {"model": BUNDLED | {"digest": "sha256:" + "0" * 64}},
            stalled=True,
        ),
        Trouble(
            "version",
            "VersionMismatch",
            "9.9.9 is wanted",
            ended("VersionMismatch"),
            {"model": BUNDLED | {"version": "9.9.9"}},
            stalled=True,
        ),
        Trouble(
            "golden",
            "GoldenMismatch",
            "",
            ended("GoldenMismatch"),
            stalled=True,
            **_from_config_map(artifacts.with_other_examples()),
        ),
        Trouble(
            "format",
            "UnsafeFormat",
            "the artifact has joblib, but allowed are skops, onnx",
            ended("UnsafeFormat"),
            stalled=True,
            **_from_config_map(artifacts.with_joblib_only()),
        ),
        Trouble(
            "load",
            "ModelLoadFailed",
            "model.skops",
            ended("ModelLoadFailed"),
            stalled=True,
            **_from_config_map(artifacts.with_a_model_that_is_none()),
        ),
        Trouble(
            "path",
            "ModelNotFound",
            "/models/none does not exist",
            ended("ModelNotFound"),
            {"model": {"source": {"bundled": {"path": "/models/none"}}}},
            stalled=True,
        ),
        Trouble(
            "room",
            "Unschedulable",
            "Insufficient cpu",
            unscheduled(),
            {"resources": {"requests": {"cpu": "400"}}},
        ),
        Trouble(
            "claim",
            "Unschedulable",
            'persistentvolumeclaim "none" not found',
            unscheduled(),
            {
                "model": {
                    "source": {"persistentVolumeClaim": {"claimName": "none"}},
                    "digest": "sha256:" + "0" * 64,
                }
            },
        ),
        Trouble(
            "volume",
            "VolumeMountFailed",
            'configmap "none" not found',
            told("FailedMount"),
            {
                "model": {
                    "source": {"configMap": {"name": "none"}},
                    "digest": "sha256:" + "0" * 64,
                }
            },
        ),
        Trouble(
            "probe",
            "ProbeFailing",
            "connection refused",
            told("Unhealthy"),
            {"image": pause_image},  # which runs and listens nowhere
        ),
        Trouble(
            "pod-quota",
            "QuotaExceeded",
            "exceeded quota: quota",
            refused_pod(),
            beside=(_quota(pods="0"),),
        ),
        Trouble(
            "child-quota",
            "QuotaExceeded",
            "exceeded quota: quota",
            applied(),
            beside=(_quota(services="0"),),
            condition="Accepted",
            stalled=True,
        ),
        Trouble(
            "pod-policy",
            "Forbidden",
            "the house has no room for pods",
            refused_pod(),
            beside=_policy("pod-policy", "pods"),
        ),
        Trouble(
            "child-policy",
            "Forbidden",
            "the house has no room for services",
            applied(),
            beside=_policy("child-policy", "services"),
            condition="Accepted",
            stalled=True,
        ),
    )


TROUBLES = troubles("", "")


@dataclass(frozen=True)
class Broken:
    """The cluster with all troubles in it: what was seen, and in which namespace each is."""

    diary: Diary
    namespaces: dict[str, str]


@pytest.fixture(scope="module")
def broken(cluster: Cluster) -> Iterator[Broken]:
    """All troubles at once."""
    found = troubles(installed_image("OPERATOR_IMAGE"), _pause_image(cluster))
    suffix = uuid.uuid4().hex[:8]
    namespaces = {trouble.name: f"test-{trouble.name}-{suffix}" for trouble in found}
    try:
        for trouble in found:
            labels = RESTRICTED | {TROUBLE_LABEL: trouble.name}
            cluster.create_namespace(namespaces[trouble.name], labels)
            if trouble.beside:
                cluster.apply(namespaces[trouble.name], *trouble.beside)
        time.sleep(5)  # until quotas are counted and policies are in force
        with watched(cluster) as diary:
            for trouble in found:
                spec = {"replicas": 1, "resources": TINY} | trouble.spec
                cluster.apply(namespaces[trouble.name], model_server(NAME, **spec))
            yield Broken(diary, namespaces)
    finally:
        cluster.kubectl("delete", "namespace", *namespaces.values(), "--wait=false", check=False)
        for kind in ("validatingadmissionpolicy", "validatingadmissionpolicybinding"):
            cluster.kubectl("delete", kind, "-l", TROUBLE_LABEL)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_the_cause_is_named(broken: Broken, trouble: Trouble) -> None:
    """Within 20 s, with the words of whoever knows it, and `Stalled` where a person is needed."""
    namespace = broken.namespaces[trouble.name]
    shown = broken.diary.wait(namespace, *trouble.sign, SHOWN_WITHIN_SECONDS)
    named = broken.diary.wait(
        namespace,
        "ModelServer",
        lambda server: says(server, trouble.condition, trouble.reason, trouble.says),
        NAMED_WITHIN_SECONDS + max(0, shown - time.monotonic()),
    )
    assert named - shown <= NAMED_WITHIN_SECONDS
    if trouble.stalled:
        broken.diary.wait(
            namespace, "ModelServer", lambda server: says(server, "Stalled", trouble.reason), 20
        )


def test_kstatus_reads_them_right(cluster: Cluster, broken: Broken, served: str) -> None:
    """The library behind Flux says Failed where a person is needed, and only there."""
    for trouble in TROUBLES:
        reason = trouble.reason
        broken.diary.wait(
            broken.namespaces[trouble.name],
            "ModelServer",
            lambda server, reason=reason, kind=trouble.condition: says(server, kind, reason),
            SHOWN_WITHIN_SECONDS,
        )
    live = [
        cluster.get(broken.namespaces[trouble.name], "modelserver", NAME) for trouble in TROUBLES
    ]
    expected = ["Failed" if trouble.stalled else "InProgress" for trouble in TROUBLES]
    live.append(cluster.get(served, "modelserver", "breast-cancer"))
    expected.append("Current")
    assert _verdicts(cluster, live) == expected


def _verdicts(cluster: Cluster, objects: Sequence[Body | None]) -> list[str]:
    """Ask the real library, which is Go's."""
    program = ROOT / ".build" / "kstatus"
    cluster.run("go", "-C", str(ROOT / "tests" / "kstatus"), "build", "-o", str(program), ".")
    return cluster.run(str(program), text="\n".join(map(json.dumps, objects))).split()


def _containers(pod: Body) -> list[dict[str, Any]]:
    return list(pod.get("status", {}).get("containerStatuses", []))


def _ends(pod: Body) -> list[dict[str, Any]]:
    states = [s.get(name, {}) for s in _containers(pod) for name in ("state", "lastState")]
    return [state["terminated"] for state in states if "terminated" in state]


def _pause_image(cluster: Cluster) -> str:
    """Find the image of every node that does nothing."""
    node = cluster.get("", "node", f"{cluster.environment['CLUSTER']}-worker") or {}
    names = [name for image in node["status"]["images"] for name in image["names"]]
    return next(name for name in names if "/pause:" in name)
