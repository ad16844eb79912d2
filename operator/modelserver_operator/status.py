"""The status of a ModelServer, computed whole, and what of it to write."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from modelserver_operator import labels, lenient
from modelserver_operator.api import ModelServer
from modelserver_operator.children.service import url
from modelserver_operator.conditions import Facts, Finding, conditions


class StatusChange(NamedTuple):
    """A merge patch for the status (empty: write nothing), and the conditions that turned."""

    patch: dict[str, Any]
    turned: list[Finding]


def next_status(
    body: Mapping[str, Any], server: ModelServer | None, facts: Facts, now: datetime
) -> StatusChange:
    """
    Compute the status that *facts* call for and compare it with the stored one.

    Args:
        body: the live ModelServer.
        server: the same, parsed; None where the spec is invalid: what is known of the model
            and the address then stays as it is.
        facts: what was seen after the writes.
        now: the time that a condition gets which turned in this very pass.
    """
    stored = lenient.mapping(body, "status")
    workload = facts.workload
    findings = conditions(facts)
    wanted: dict[str, Any] = {
        "observedGeneration": body["metadata"]["generation"],
        "replicas": workload.replicas,
        "readyReplicas": workload.ready,
        "updatedReplicas": workload.updated,
        "availableReplicas": workload.available,
        "readyPods": f"{workload.ready}/{workload.wanted}",
        "conditions": [_condition(finding, stored, body, now) for finding in findings],
    }
    if server is not None:
        wanted |= _identity(server)
    if workload.exists:
        annotations = lenient.mapping(workload.deployment, "metadata", "annotations")
        wanted["image"] = lenient.text(annotations, labels.RESOLVED_IMAGE)
    patch = {name: value for name, value in wanted.items() if stored.get(name) != value}
    if "model" in patch:  # a merge keeps what it is not told to remove
        patch["model"] = {"version": None, "digest": None, **patch["model"]}
    return StatusChange(patch, [f for f in findings if _has_turned(f, stored)])


def _identity(server: ModelServer) -> dict[str, Any]:
    model = server.spec.model
    pairs = {"name": model.name or server.name, "version": model.version, "digest": model.digest}
    return {
        "selector": ",".join(f"{k}={v}" for k, v in labels.selector(server.name).items()),
        "url": url(server),
        "model": {name: value for name, value in pairs.items() if value},
    }


def _condition(
    finding: Finding, stored: Mapping[str, Any], body: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Add generation and time; the time moves only when the condition's status does."""
    before = _stored_condition(finding, stored)
    since = lenient.text(before, "lastTransitionTime")
    if before.get("status") != finding.status or not since:
        since = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": finding.type,
        "status": finding.status,
        "reason": finding.reason,
        "message": finding.message,
        "observedGeneration": body["metadata"]["generation"],
        "lastTransitionTime": since,
    }


def _has_turned(finding: Finding, stored: Mapping[str, Any]) -> bool:
    before = _stored_condition(finding, stored)
    return (before.get("status"), before.get("reason")) != (finding.status, finding.reason)


def _stored_condition(finding: Finding, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    return lenient.condition({"status": stored}, finding.type)
