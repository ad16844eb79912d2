"""
The four conditions, each computed whole by a chain of checks: the first that fails speaks.

A check is a function of the facts that returns None while it holds. Cause comes before symptom.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from modelserver_operator.causes import PERMANENT, Cause, root_cause

_REVISION: Final = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Problem:
    """
    Why the spec cannot be honoured as it stands.

    Args:
        reason: as `Accepted` gives it.
        message: one sentence that says what and where.
        look_again_seconds: when the trouble may have gone by itself, or None for backoff.
    """

    reason: str
    message: str
    look_again_seconds: float | None = None


@dataclass(frozen=True)
class Facts:
    """
    All that the conditions are computed from.

    Args:
        problems: what kept the spec from being carried out.
        deployment: the live Deployment, or None.
        replica_sets: of that Deployment, all templates.
        pods: of all templates.
        suspended: whether the spec asks for no pods at all.
    """

    problems: Sequence[Problem] = ()
    deployment: Mapping[str, Any] | None = None
    replica_sets: Sequence[Mapping[str, Any]] = ()
    pods: Sequence[Mapping[str, Any]] = field(default=())
    suspended: bool = False

    @property
    def wanted(self) -> int:
        """Pods that the Deployment is asked for."""
        return 0 if self.deployment is None else int(self.deployment["spec"].get("replicas", 1))

    @property
    def guaranteed(self) -> int:
        """Pods that must answer: what is wanted less one disruption at a time, at least one."""
        return max(1, self.wanted - 1)

    def count(self, name: str) -> int:
        """Read a count of the Deployment's status; absent means none."""
        return 0 if self.deployment is None else int(self.deployment.get("status", {}).get(name, 0))


@dataclass(frozen=True)
class Finding:
    """One condition, without the times and generations that `status.py` adds."""

    type: str
    status: str
    reason: str
    message: str


Check = Callable[[Facts], Cause | None]


def conditions(facts: Facts) -> list[Finding]:
    """Compute all four."""
    accepted = _speak("Accepted", _ACCEPTED_CHECKS, facts, "Accepted", "The spec is carried out")
    available = _speak(
        "Available", _AVAILABLE_CHECKS, facts, "PodsAvailable", "Enough pods answer requests"
    )
    ready = _ready(facts)
    return [accepted, available, ready, _stalled(facts, accepted, ready)]


def _speak(name: str, checks: Sequence[Check], facts: Facts, reason: str, message: str) -> Finding:
    for check in checks:
        failed = check(facts)
        if failed is not None:
            return Finding(name, "False", failed.reason, failed.message)
    return Finding(name, "True", reason, message)


def _ready(facts: Facts) -> Finding:
    if facts.deployment is not None and not facts.problems and _deployment_is_current(facts):
        if facts.suspended and facts.count("replicas") == 0:
            return Finding("Ready", "True", "Suspended", "No pods run, as spec.suspend asks")
        if facts.wanted == 0 and facts.count("replicas") == 0:
            return Finding("Ready", "True", "ScaledToZero", "No pods run, as 0 replicas ask")
    return _speak("Ready", _READY_CHECKS, facts, "Ready", "The newest spec is live")


def _stalled(facts: Facts, accepted: Finding, ready: Finding) -> Finding:
    """Nothing will change until a person acts; kstatus reads it as Failed."""
    stuck = None
    if accepted.status == "False" and accepted.reason not in _PASSING:
        stuck = accepted
    elif ready.status == "False" and (ready.reason in PERMANENT or _deadline_passed(facts)):
        stuck = ready
    if stuck is None:
        return Finding("Stalled", "False", "Progressing", "Nothing waits for a person")
    return Finding("Stalled", "True", stuck.reason, stuck.message)


_PASSING: Final = frozenset({"WaitingForGarbageCollection"})


def _spec_is_carried_out(facts: Facts) -> Cause | None:
    if not facts.problems:
        return None
    first = facts.problems[0]
    more = len(facts.problems) - 1
    return Cause(first.reason, first.message + (f" (and {more} more)" if more else ""))


def _pods_are_wanted(facts: Facts) -> Cause | None:
    if facts.wanted or facts.count("availableReplicas"):
        return None
    if facts.suspended:
        return Cause("Suspended", "No pods run, as spec.suspend asks")
    if facts.deployment is not None:
        return Cause("ScaledToZero", "No pods run, as 0 replicas ask")
    return Cause("NoReadyPods", "There is no Deployment yet")


def _enough_pods_answer(facts: Facts) -> Cause | None:
    available = facts.count("availableReplicas")
    if available >= facts.guaranteed:
        return None
    return Cause("NoReadyPods", f"{available} pods answer, {facts.guaranteed} are guaranteed")


def _deployment_has_seen_our_spec(facts: Facts) -> Cause | None:
    """Or everything below would describe the previous spec."""
    if _deployment_is_current(facts):
        return None
    return Cause("RolloutInProgress", "The Deployment has not been processed yet")


def _pods_may_be_created(facts: Facts) -> Cause | None:
    failure = _deployment_condition(facts, "ReplicaFailure")
    if failure.get("status") != "True":
        return None
    message = failure.get("message", "")
    reason = "QuotaExceeded" if "exceeded quota" in message else "Forbidden"
    return Cause(reason, " ".join(message.split()))


def _newest_pods_have_no_trouble(facts: Facts) -> Cause | None:
    if _newest_is_complete(facts):
        return None
    return root_cause(_newest_pods(facts))


def _rollout_has_not_stalled(facts: Facts) -> Cause | None:
    """Before the counts: that nothing moves any more is worth more than how far it came."""
    if not _deadline_passed(facts):
        return None
    return Cause("RolloutStalled", f"No progress for longer than the deadline: {_progress(facts)}")


def _newest_spec_runs_everywhere(facts: Facts) -> Cause | None:
    old = facts.count("replicas") - facts.count("updatedReplicas")
    if old > 0 or facts.count("updatedReplicas") < min(1, facts.wanted):
        return Cause("RolloutInProgress", _progress(facts))
    if _deployment_condition(facts, "Progressing").get("reason") != "NewReplicaSetAvailable":
        return Cause("RolloutInProgress", _progress(facts))
    return None


def _guaranteed_pods_are_available(facts: Facts) -> Cause | None:
    if _newest_is_complete(facts):
        return None
    return Cause("ScalingInProgress", _progress(facts))


_ACCEPTED_CHECKS: tuple[Check, ...] = (_spec_is_carried_out,)

_AVAILABLE_CHECKS: tuple[Check, ...] = (_pods_are_wanted, _enough_pods_answer)

_READY_CHECKS: tuple[Check, ...] = (
    _spec_is_carried_out,
    _deployment_has_seen_our_spec,
    _pods_may_be_created,
    _newest_pods_have_no_trouble,
    _rollout_has_not_stalled,
    _newest_spec_runs_everywhere,
    _guaranteed_pods_are_available,
)


def _deployment_is_current(facts: Facts) -> bool:
    if facts.deployment is None:
        return False
    seen = facts.deployment.get("status", {}).get("observedGeneration", 0)
    return bool(seen >= facts.deployment["metadata"]["generation"])


def _newest_is_complete(facts: Facts) -> bool:
    """Enough pods are available, and none of an older template is left among them."""
    no_old = facts.count("replicas") == facts.count("updatedReplicas")
    return no_old and facts.count("availableReplicas") >= facts.guaranteed


def _deadline_passed(facts: Facts) -> bool:
    progressing = _deployment_condition(facts, "Progressing")
    return progressing.get("reason") == "ProgressDeadlineExceeded"


def _progress(facts: Facts) -> str:
    updated, available = facts.count("updatedReplicas"), facts.count("availableReplicas")
    return f"{updated} of {facts.wanted} pods run the newest spec, {available} pods are available"


def _deployment_condition(facts: Facts, name: str) -> Mapping[str, Any]:
    found = (
        [] if facts.deployment is None else facts.deployment.get("status", {}).get("conditions", [])
    )
    return next((condition for condition in found if condition["type"] == name), {})


def _newest_pods(facts: Facts) -> list[Mapping[str, Any]]:
    """The pods of the ReplicaSet with the highest revision: the newest template."""
    if facts.deployment is None or not facts.replica_sets:
        return []
    uid = facts.deployment["metadata"]["uid"]
    ours = [rs for rs in facts.replica_sets if _owner_uid(rs) == uid]
    newest = max(ours, key=_revision, default=None)
    if newest is None:
        return []
    return [pod for pod in facts.pods if _owner_uid(pod) == newest["metadata"]["uid"]]


def _revision(replica_set: Mapping[str, Any]) -> float:
    revision = replica_set["metadata"].get("annotations", {}).get(_REVISION, "")
    return int(revision) if revision.isdigit() else -math.inf


def _owner_uid(body: Mapping[str, Any]) -> str | None:
    references = body["metadata"].get("ownerReferences", ())
    return next((reference["uid"] for reference in references if reference.get("controller")), None)
