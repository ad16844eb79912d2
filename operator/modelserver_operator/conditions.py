"""
The four conditions, each computed whole by a chain of checks: the first that fails speaks.

A check is a function of the facts that returns None while it holds. Cause comes before symptom.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from modelserver_operator.causes import root_cause
from modelserver_operator.pod_events import Heard
from modelserver_operator.reasons import PERMANENT, Cause, Reason, Refusal
from modelserver_operator.sentences import lasting
from modelserver_operator.workload import Body, Workload


@dataclass(frozen=True)
class Problem:
    """
    Why the spec cannot be honoured as it stands.

    Args:
        reason: as `Accepted` gives it.
        message: one sentence that says what and where.
        look_again_seconds: when the trouble may have gone by itself, or None for backoff.
    """

    reason: Refusal
    message: str
    look_again_seconds: float | None = None


@dataclass(frozen=True)
class Facts:
    """
    All that the conditions are computed from.

    Args:
        problems: what kept the spec from being carried out.
        workload: Deployment, ReplicaSets and pods.
        guaranteed: pods that must answer so that the server counts as available.
        least: pods that must be there whatever the load is; what an autoscaler adds to them does
            not make a rollout incomplete.
        suspended: whether the spec asks for no pods at all.
        heard: what was told of pods that do not speak themselves.
    """

    problems: Sequence[Problem] = ()
    workload: Workload = field(default_factory=Workload)
    guaranteed: int = 1
    least: int = 1
    suspended: bool = False
    heard: Heard = field(default_factory=Heard)


@dataclass(frozen=True)
class Finding:
    """One condition, without the times and generations that `status.py` adds."""

    type: Literal["Accepted", "Available", "Ready", "Stalled"]
    status: Literal["True", "False"]
    reason: Reason
    message: str


Check = Callable[[Facts], Cause | None]


def conditions(facts: Facts) -> list[Finding]:
    """Compute all four."""
    failed = _first(_ACCEPTED_CHECKS, facts)
    accepted = (
        Finding("Accepted", "True", "Accepted", "The spec is carried out")
        if failed is None
        else Finding("Accepted", "False", *failed)
    )
    failed = _first(_AVAILABLE_CHECKS, facts)
    available = (
        Finding("Available", "True", "PodsAvailable", "Enough pods answer requests")
        if failed is None
        else Finding("Available", "False", *failed)
    )
    ready = _ready(facts)
    return [accepted, available, ready, _stalled(facts, accepted, ready)]


def silent_pods(facts: Facts) -> Sequence[Body]:
    """Pods of which others have to be asked: `Ready` is False, and no pod says why."""
    if _first(_BEFORE_PODS, facts) is not None or _newest_spec_serves(facts):
        return ()
    pods = facts.workload.newest_pods
    return () if root_cause(pods, {}) is not None else pods


def _first(checks: Sequence[Check], facts: Facts) -> Cause | None:
    return next((failed for check in checks if (failed := check(facts)) is not None), None)


def _ready(facts: Facts) -> Finding:
    failed = _first(_READY_CHECKS, facts)
    if failed is not None:
        return Finding("Ready", "False", *failed)
    if facts.workload.wanted > 0:
        return Finding("Ready", "True", "Ready", "The newest spec is live")
    return Finding("Ready", "True", *_no_pods(facts))


def _stalled(facts: Facts, accepted: Finding, ready: Finding) -> Finding:
    """Nothing will change until a person acts; kstatus reads it as Failed."""
    if accepted.status == "False" and accepted.reason not in _PASSING:
        return Finding("Stalled", "True", accepted.reason, accepted.message)
    if accepted.status == "True" and ready.status == "False":
        if ready.reason in PERMANENT or ready.reason == "RolloutPaused":
            return Finding("Stalled", "True", ready.reason, ready.message)
        if _deadline_has_passed(facts):
            return Finding("Stalled", "True", "RolloutStalled", ready.message)
    return Finding("Stalled", "False", "Progressing", "Nothing waits for a person")


_PASSING: Final = frozenset({"WaitingForGarbageCollection"})


def _spec_is_carried_out(facts: Facts) -> Cause | None:
    """What waits for a person speaks before what goes by itself."""
    if not facts.problems:
        return None
    first = min(facts.problems, key=lambda problem: problem.reason in _PASSING)
    more = len(facts.problems) - 1
    return Cause(first.reason, lasting(first.message) + (f" (and {more} more)" if more else ""))


def _pods_are_wanted(facts: Facts) -> Cause | None:
    if facts.workload.wanted or facts.workload.available:
        return None
    if facts.workload.exists:
        return _no_pods(facts)
    return Cause("NoReadyPods", "There is no Deployment yet")


def _enough_pods_answer(facts: Facts) -> Cause | None:
    available = facts.workload.available
    if available >= facts.guaranteed:
        return None
    return Cause("NoReadyPods", f"{available} pods answer, {facts.guaranteed} are guaranteed")


def _replica_set_may_be_made(facts: Facts) -> Cause | None:
    """Before the next: a Deployment whose ReplicaSet is refused never gets processed."""
    return _refusal(facts.workload.refused_replica_set)


def _deployment_has_seen_our_spec(facts: Facts) -> Cause | None:
    """Or everything below would describe the previous spec."""
    if facts.workload.is_processed:
        return None
    return Cause("RolloutInProgress", "The Deployment has not been processed yet")


def _newest_spec_is_live(facts: Facts) -> Cause | None:
    return None if _newest_spec_serves(facts) else _first(_WHY_NOT_LIVE, facts)


def _pods_may_be_made(facts: Facts) -> Cause | None:
    return _refusal(facts.workload.refused_pod)


def _newest_pods_have_no_trouble(facts: Facts) -> Cause | None:
    return root_cause(facts.workload.newest_pods, facts.heard.causes)


def _rollout_is_not_paused(facts: Facts) -> Cause | None:
    if facts.workload.progress != "DeploymentPaused":
        return None
    return Cause("RolloutPaused", "The Deployment is paused: kubectl rollout resume goes on")


def _rollout_has_not_stalled(facts: Facts) -> Cause | None:
    """Before the counts: that nothing moves any more is worth more than how far it came."""
    if not _deadline_has_passed(facts):
        return None
    return Cause("RolloutStalled", f"No progress for longer than the deadline: {_progress(facts)}")


def _newest_spec_has_been_rolled_out(facts: Facts) -> Cause | None:
    if _is_rolled_out(facts):
        return None
    return Cause("RolloutInProgress", _progress(facts))


def _guaranteed_pods_are_available(facts: Facts) -> Cause | None:
    return Cause("ScalingInProgress", _progress(facts))


_ACCEPTED_CHECKS: tuple[Check, ...] = (_spec_is_carried_out,)

_AVAILABLE_CHECKS: tuple[Check, ...] = (_pods_are_wanted, _enough_pods_answer)

_BEFORE_PODS: tuple[Check, ...] = (
    _spec_is_carried_out,
    _replica_set_may_be_made,
    _deployment_has_seen_our_spec,
)

_READY_CHECKS: tuple[Check, ...] = (*_BEFORE_PODS, _newest_spec_is_live)

_WHY_NOT_LIVE: tuple[Check, ...] = (
    _pods_may_be_made,
    _newest_pods_have_no_trouble,
    _rollout_is_not_paused,
    _rollout_has_not_stalled,
    _newest_spec_has_been_rolled_out,
    _guaranteed_pods_are_available,
)


def _newest_spec_serves(facts: Facts) -> bool:
    """
    Whether the newest spec is rolled out and the guaranteed pods are there.

    From then on a pod that is replaced, or one more that is wanted, is no trouble of the server.
    """
    workload = facts.workload
    if workload.wanted == 0:
        return workload.replicas == 0
    return _is_rolled_out(facts) and workload.updated_available >= facts.guaranteed


def _is_rolled_out(facts: Facts) -> bool:
    """
    Whether no older pod is left, and the newest have all been available once.

    An autoscaler that asks for more pods meanwhile would have the rollout never end, so those that
    must be there in any case are enough.
    """
    workload = facts.workload
    complete = workload.progress == "NewReplicaSetAvailable"
    enough = workload.updated_available >= max(1, facts.least)
    return workload.old == 0 and (complete or enough)


def _deadline_has_passed(facts: Facts) -> bool:
    workload = facts.workload
    return workload.is_processed and workload.progress == "ProgressDeadlineExceeded"


def _progress(facts: Facts) -> str:
    workload = facts.workload
    return (
        f"{workload.updated} of {workload.wanted} pods run the newest spec, "
        f"{workload.updated_available} of them are available"
    )


def _no_pods(facts: Facts) -> Cause:
    if facts.suspended:
        return Cause("Suspended", "No pods run, as spec.suspend asks")
    return Cause("ScaledToZero", "No pods run, as 0 replicas ask")


def _refusal(words: str) -> Cause | None:
    """Read why the API server let a ReplicaSet or a pod not be made; it may be a quota."""
    if not words:
        return None
    reason: Refusal = "QuotaExceeded" if "exceeded quota" in words else "Forbidden"
    return Cause(reason, lasting(words))
