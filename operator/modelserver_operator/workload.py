"""What runs for a ModelServer: its Deployment, the ReplicaSets of that, and their pods."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from modelserver_operator import lenient

Body = Mapping[str, Any]

_REVISION: Final = "deployment.kubernetes.io/revision"
_TEMPLATE_HASH: Final = "pod-template-hash"


@dataclass(frozen=True)
class Workload:
    """
    What was last seen of it.

    Pods are counted from the ReplicaSets' own counters: those of the Deployment follow later, and
    do not tell available pods of the newest template from others.

    Args:
        deployment: the live one, or None.
        replica_sets: of all templates; those of other Deployments are passed over.
        pods: of all templates.
    """

    deployment: Body | None = None
    replica_sets: Sequence[Body] = ()
    pods: Sequence[Body] = ()

    @property
    def wanted(self) -> int:
        """Pods that the Deployment is asked for."""
        spec = lenient.mapping(self.deployment, "spec")
        return lenient.count(spec, "replicas") if "replicas" in spec else int(self.exists)

    @property
    def exists(self) -> bool:
        """Whether there is a Deployment."""
        return self.deployment is not None

    @property
    def is_processed(self) -> bool:
        """
        Whether the controllers have taken up the Deployment's newest template.

        A count that was changed and not yet observed leaves the newest ReplicaSet the newest.
        """
        latest = max(self._ours, key=_revision, default=None)
        return self._is_observed or (latest is not None and latest is self.newest)

    @cached_property
    def newest(self) -> Body | None:
        """The ReplicaSet of the newest template, or None while there is none."""
        template = _template(self.deployment)
        equal = [each for each in self._ours if _template(each) == template]
        return max(equal or self._recorded, key=_revision, default=None)

    @property
    def newest_pods(self) -> list[Body]:
        """Pods of the newest template."""
        uid = lenient.text(self.newest, "metadata", "uid")
        return [pod for pod in self.pods if uid and lenient.controller_uid(pod) == uid]

    @property
    def replicas(self) -> int:
        """Pods that exist, those that are going not counted."""
        return self._count("replicas")

    @property
    def ready(self) -> int:
        """Pods that answer."""
        return self._count("readyReplicas")

    @property
    def available(self) -> int:
        """Pods that have answered for long enough to be counted on."""
        return self._count("availableReplicas")

    @property
    def updated(self) -> int:
        """Pods of the newest template."""
        if self._ours:
            return lenient.count(self.newest, "status", "replicas")
        return lenient.count(self.deployment, "status", "updatedReplicas")

    @property
    def updated_available(self) -> int:
        """Pods of the newest template that can be counted on."""
        if self._ours:
            return lenient.count(self.newest, "status", "availableReplicas")
        return max(0, self.available - self.old)

    @property
    def old(self) -> int:
        """Pods of older templates."""
        return max(0, self.replicas - self.updated)

    @property
    def progress(self) -> str:
        """How the rollout is going, in the Deployment controller's word."""
        return lenient.text(lenient.condition(self.deployment, "Progressing"), "reason")

    @property
    def refused_replica_set(self) -> str:
        """Why the ReplicaSet of the newest template cannot be made; empty if it can."""
        if self.progress != "ReplicaSetCreateError" or self.newest is not None:
            return ""
        message = lenient.text(lenient.condition(self.deployment, "Progressing"), "message")
        return message or "it is not said why"

    @property
    def refused_pod(self) -> str:
        """Why pods of the newest template cannot be made; empty if they can."""
        source = self.newest if self._ours else self.deployment
        failure = lenient.condition(source, "ReplicaFailure")
        if failure.get("status") != "True":
            return ""
        return lenient.text(failure, "message") or "it is not said why"

    @cached_property
    def _ours(self) -> list[Body]:
        uid = lenient.text(self.deployment, "metadata", "uid")
        return [each for each in self.replica_sets if uid and lenient.controller_uid(each) == uid]

    @property
    def _recorded(self) -> list[Body]:
        """
        ReplicaSets of the revision that the Deployment's controller wrote on it.

        A new version of Kubernetes gives a template other defaults, so that none may be equal.
        """
        revision = _revision(self.deployment)
        return [each for each in self._ours if self._is_observed and _revision(each) == revision]

    @property
    def _is_observed(self) -> bool:
        seen = lenient.count(self.deployment, "status", "observedGeneration")
        return self.exists and seen >= lenient.count(self.deployment, "metadata", "generation")

    def _count(self, name: str) -> int:
        if self._ours:
            return sum(lenient.count(each, "status", name) for each in self._ours)
        return lenient.count(self.deployment, "status", name)


def _template(body: Body | None) -> dict[str, Any]:
    """The pod template, without the label by which a ReplicaSet knows its own pods."""
    template = lenient.mapping(body, "spec", "template")
    metadata = lenient.mapping(template, "metadata")
    names = lenient.mapping(metadata, "labels")
    labels = {name: value for name, value in names.items() if name != _TEMPLATE_HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _revision(body: Body | None) -> float:
    revision = lenient.text(body, "metadata", "annotations", _REVISION)
    return int(revision) if revision.isdecimal() and len(revision) < 20 else -math.inf  # noqa: PLR2004
