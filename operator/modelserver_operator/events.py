"""Kubernetes Events: one for each condition that turned, sent after the status was stored."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from modelserver_operator.conditions import Finding
from modelserver_operator.kinds import EVENT, MODEL_SERVER

CONTROLLER: Final = "modelserver.dev/operator"
_NOTE_LIMIT: Final = 1024


def events_for(
    server: Mapping[str, Any], turned: Iterable[Finding], instance: str, now: datetime
) -> list[dict[str, Any]]:
    """
    Build an Event for each condition that turned.

    Args:
        server: the live ModelServer.
        turned: what changed its status or reason with this generation.
        instance: which operator process speaks.
        now: when it turned.
    """
    return [_event(server, finding, instance, now) for finding in turned]


def _event(
    server: Mapping[str, Any], finding: Finding, instance: str, now: datetime
) -> dict[str, Any]:
    metadata = server["metadata"]
    text = f"{metadata['uid']}{finding}{now.timestamp()}"
    suffix = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": f"{metadata['name']}.{suffix}", "namespace": metadata["namespace"]},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if _is_bad(finding) else "Normal",
        "reason": finding.reason,
        "note": f"{finding.type} is {finding.status}: {finding.message}"[:_NOTE_LIMIT],
        "action": "Reconcile",
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "regarding": {
            "apiVersion": MODEL_SERVER.api_version,
            "kind": MODEL_SERVER.name,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
    }


_IN_NORMAL_LIFE: Final = frozenset(
    {"RolloutInProgress", "ScalingInProgress", "Suspended", "ScaledToZero", "NoReadyPods"}
)


def _is_bad(finding: Finding) -> bool:
    if finding.type == "Stalled":
        return finding.status == "True"
    return finding.status == "False" and finding.reason not in _IN_NORMAL_LIFE
