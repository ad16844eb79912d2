"""Kubernetes Events: told when conditions turned, and counted while the same ones turn again."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from modelserver_operator import lenient
from modelserver_operator.conditions import Finding
from modelserver_operator.errors import ReconcileError, StalePicture
from modelserver_operator.kinds import EVENT, MODEL_SERVER
from modelserver_operator.reasons import Reason
from modelserver_operator.sentences import sentence

CONTROLLER: Final = "modelserver.dev/operator"

_SERIES_ENDS_AFTER: Final = timedelta(minutes=6)
"""As with Kubernetes' own recorder: what comes again later is an Event of its own."""

_REMEMBERED: Final = 4_096
_NOTE_LIMIT: Final = 1024

_IN_NORMAL_LIFE: Final[frozenset[Reason]] = frozenset(
    {"RolloutInProgress", "ScalingInProgress", "Suspended", "ScaledToZero", "NoReadyPods"}
)


class EventWriter(Protocol):
    """What this module asks of the API server."""

    async def create_event(self, body: dict[str, Any]) -> None:
        """Post an Event."""

    async def patch_event(self, namespace: str, name: str, patch: dict[str, Any]) -> None:
        """Merge *patch* into an Event."""


@dataclass(frozen=True)
class _Posted:
    name: str
    count: int
    last: datetime


class _Telling(NamedTuple):
    subject: str
    reason: str
    message: str
    is_bad: bool


class Recorder:
    """
    Posts Events, and remembers them so that a repetition counts up the first one.

    Args:
        instance: which operator process speaks.
    """

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._posted: OrderedDict[tuple[str, ...], _Posted] = OrderedDict()

    async def tell(
        self,
        server: Mapping[str, Any],
        turned: Sequence[Finding],
        writer: EventWriter,
        now: datetime,
    ) -> None:
        """
        Post what *turned*, one Event for all conditions that say the same.

        An Event is a courtesy: where the API server refuses one, it is left at that.

        Args:
            server: the ModelServer, as it was before its status was stored.
            turned: what changed its status or reason.
            writer: who posts it.
            now: when it turned.
        """
        worth_telling = [f for f in turned if _has_any_condition(server) or _is_news(f)]
        await self._post_all(server, map(_telling, _by_what_they_say(worth_telling)), writer, now)

    async def tell_refused(
        self, server: Mapping[str, Any], why: str, writer: EventWriter, now: datetime
    ) -> None:
        """Post that the status of *server* cannot be stored: no condition can say so."""
        subject = "The status cannot be stored"
        telling = _Telling(subject, "StatusRefused", sentence(why), is_bad=True)
        await self._post_all(server, [telling], writer, now)

    async def _post_all(
        self,
        server: Mapping[str, Any],
        tellings: Iterable[_Telling],
        writer: EventWriter,
        now: datetime,
    ) -> None:
        try:
            for telling in tellings:
                await self._post(server, telling, writer, now)
        except ReconcileError:
            return

    async def _post(
        self,
        server: Mapping[str, Any],
        telling: _Telling,
        writer: EventWriter,
        now: datetime,
    ) -> None:
        key = (server["metadata"]["uid"], telling.reason, telling.subject)
        before = self._posted.get(key)
        goes_on = before is not None and now - before.last < _SERIES_ENDS_AFTER
        if before and goes_on and await self._count_up(server, before, writer, now):
            self._remember(key, _Posted(before.name, before.count + 1, now))
            return
        body = _event(server, telling, self._instance, now)
        await writer.create_event(body)
        self._remember(key, _Posted(body["metadata"]["name"], 1, now))

    async def _count_up(
        self, server: Mapping[str, Any], before: _Posted, writer: EventWriter, now: datetime
    ) -> bool:
        """Say that it happened again; False where the first Event is gone."""
        series = {"count": before.count + 1, "lastObservedTime": _micro_time(now)}
        try:
            await writer.patch_event(
                server["metadata"]["namespace"], before.name, {"series": series}
            )
        except StalePicture:
            return False
        return True

    def _remember(self, key: tuple[str, ...], posted: _Posted) -> None:
        self._posted[key] = posted
        self._posted.move_to_end(key)
        if len(self._posted) > _REMEMBERED:
            self._posted.popitem(last=False)


def _event(
    server: Mapping[str, Any], telling: _Telling, instance: str, now: datetime
) -> dict[str, Any]:
    metadata = server["metadata"]
    text = f"{metadata['uid']}{telling}{now.timestamp()}"
    suffix = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": f"{metadata['name']}.{suffix}", "namespace": metadata["namespace"]},
        "eventTime": _micro_time(now),
        "type": "Warning" if telling.is_bad else "Normal",
        "reason": telling.reason,
        "note": f"{telling.subject}: {telling.message}"[:_NOTE_LIMIT],
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


def _by_what_they_say(findings: Iterable[Finding]) -> list[list[Finding]]:
    groups: dict[tuple[Reason, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.reason, finding.message), []).append(finding)
    return list(groups.values())


def _telling(findings: Sequence[Finding]) -> _Telling:
    subject = ", ".join(f"{finding.type}={finding.status}" for finding in findings)
    first = findings[0]
    return _Telling(subject, first.reason, first.message, any(map(_is_bad, findings)))


def _has_any_condition(server: Mapping[str, Any]) -> bool:
    return bool(lenient.entries(server, "status", "conditions"))


def _is_news(finding: Finding) -> bool:
    """Whether it is worth telling of a server that has just been made."""
    return finding.type == "Ready" or _is_bad(finding)


def _is_bad(finding: Finding) -> bool:
    if finding.type == "Stalled":
        return finding.status == "True"
    return finding.status == "False" and finding.reason not in _IN_NORMAL_LIFE


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
