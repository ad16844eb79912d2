"""What the kubelet tells in core Events of pods whose status does not say why they wait."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from modelserver_operator import lenient
from modelserver_operator.causes import Silence, silence_of
from modelserver_operator.errors import ChildRefused, ReconcileError
from modelserver_operator.reasons import Cause, PodReason
from modelserver_operator.sentences import lasting, sentence

Body = Mapping[str, Any]

STUCK_AFTER: Final = timedelta(seconds=10)
"""A pod is given this long at one thing before anybody is asked about it."""

_ASK_AGAIN_AFTER: Final = timedelta(seconds=10)  # doubled each time
_ASK_AGAIN_AT_LAST: Final = timedelta(minutes=10)
_ASKED_AT_ONCE: Final = 2
_REMEMBERED: Final = 2_000

_BEFORE_START: Final[Mapping[str, PodReason]] = {
    "FailedMount": "VolumeMountFailed",
    "FailedAttachVolume": "VolumeMountFailed",
    "FailedMapVolume": "VolumeMountFailed",
    "FailedCreatePodSandBox": "SandboxFailed",
    "FailedPodSandBoxStatus": "SandboxFailed",
}
_PAST_THAT: Final = frozenset({"Pulling", "Pulled", "Created", "Started"})
"""Come after volumes and network: what had failed before does not any more."""

_SUMMARY: Final = "Unable to attach or mount volumes"
"""Begins the kubelet's summary, which lists names in any order and gives no cause."""

_PROBES: Final[Mapping[Silence, tuple[str, ...]]] = {
    "starting": ("Startup",),
    "running": ("Readiness", "Startup", "Liveness"),
    "ending": ("Liveness", "Startup", "Readiness"),
}
"""Whose words are taken, the first that has any."""

_LOADING: Final = "Startup probe failed: HTTP probe failed with statuscode: 503"
"""The runtime answers, and has not loaded its model yet."""


class EventReader(Protocol):
    """What this module asks of the API server."""

    async def list_pod_events(self, namespace: str, uid: str) -> Sequence[Body]:
        """List the core Events of one pod."""


@dataclass(frozen=True)
class Heard:
    """
    What was told of pods that do not speak themselves.

    Args:
        causes: by what those pods are at; one pod speaks for all that are at the same.
        look_again_seconds: when more may be known, or None.
    """

    causes: Mapping[Silence, Cause] = field(default_factory=dict)
    look_again_seconds: float | None = None


@dataclass(frozen=True)
class _Answer:
    cause: Cause | None
    asked: datetime
    valid_for: timedelta

    @property
    def ask_again(self) -> datetime:
        return self.asked + self.valid_for


class PodEvents:
    """
    Asks seldom, and remembers what it heard.

    Each pod that is asked about stands for all that are stuck at the same; it is asked about
    again after 10 s, 20 s, and so on up to 10 minutes. Pods that are ready cost nothing.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, Silence], _Answer] = OrderedDict()
        self._not_allowed: dict[str, datetime] = {}

    async def hear(self, pods: Iterable[Body], reader: EventReader, now: datetime) -> Heard:
        """
        Find what was told of *pods* that are stuck; a refusal or no answer is no error.

        Args:
            pods: of the newest template.
            reader: who is asked.
            now: to know how long they are stuck.
        """
        causes: dict[Silence, Cause] = {}
        waits: list[timedelta] = []
        asked = 0
        for silence, pod in _oldest_by_silence(pods).items():
            left = _since(pod) + STUCK_AFTER - now
            if left > timedelta(0):
                waits.append(min(left, STUCK_AFTER))  # a clock that is wrong is waited for in steps
                continue
            known = self._answers.get(_asked_about(pod, silence))
            if (known is None or known.ask_again <= now) and asked < _ASKED_AT_ONCE:
                known = await self._ask(pod, silence, known, reader, now)
                asked += 1
            if known is not None:
                waits.append(max(known.ask_again - now, timedelta(seconds=1)))
                if known.cause is not None:
                    causes[silence] = known.cause
            else:
                waits.append(timedelta(seconds=1))
        return Heard(causes, min(waits).total_seconds() if waits else None)

    async def _ask(
        self,
        pod: Body,
        silence: Silence,
        before: _Answer | None,
        reader: EventReader,
        now: datetime,
    ) -> _Answer:
        namespace = lenient.text(pod, "metadata", "namespace")
        cause = None
        if self._not_allowed.get(namespace, now) <= now:
            try:
                uid = lenient.text(pod, "metadata", "uid")
                cause = cause_in(await reader.list_pod_events(namespace, uid), silence)
            except ChildRefused:  # no right to read Events: the sentence is shorter
                self._not_allowed[namespace] = now + _ASK_AGAIN_AT_LAST
            except ReconcileError:  # what was heard before is true until it is asked again
                cause = before.cause if before is not None else None
        valid_for = _ASK_AGAIN_AFTER if before is None else 2 * before.valid_for
        answer = _Answer(cause or _of_itself(silence), now, min(valid_for, _ASK_AGAIN_AT_LAST))
        key = _asked_about(pod, silence)
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        return answer


def cause_in(events: Iterable[Body], silence: Silence) -> Cause | None:
    """Find in *events* of one pod why it goes no further; None where they do not tell."""
    newest_first = sorted(events, key=_when, reverse=True)
    if silence == "creating":
        return _before_start(newest_first)
    return _of_probes(newest_first, silence)


def _before_start(newest_first: Sequence[Body]) -> Cause | None:
    failures = []
    for event in newest_first:
        reason = lenient.text(event, "reason")
        if reason in _PAST_THAT:
            break
        if reason in _BEFORE_START:
            failures.append(Cause(_BEFORE_START[reason], _words(event)))
    causes = [cause for cause in failures if not cause.message.startswith(_SUMMARY)]
    return next(iter(causes or failures), None)


def _of_probes(newest_first: Sequence[Body], silence: Silence) -> Cause | None:
    """
    Find the words of the probe that fails.

    A process that hangs fails two probes in turn: always the same one speaks.
    """
    told = [(_words(e), e) for e in newest_first if lenient.text(e, "reason") == "Unhealthy"]
    for probe in _PROBES.get(silence, ()):
        newest = next(((words, e) for words, e in told if words.startswith(f"{probe} probe")), None)
        if newest is not None:
            words, event = newest
            if silence == "starting" and words == _LOADING:
                return None
            return Cause("ProbeFailing", sentence(f"{_container(event)}{words}"))
    return None


def _of_itself(silence: Silence) -> Cause | None:
    """Say what can be said without Events: the reason is the same, the sentence shorter."""
    if silence == "running":
        return Cause("ProbeFailing", "it runs and does not get ready")
    if silence == "ending":
        return Cause("CrashLoop", "a container ends without an error and is started again")
    return None


def _container(event: Body) -> str:
    """Name the container that *event* is about: its field path is spec.containers{NAME}."""
    path = lenient.text(event, "involvedObject", "fieldPath")
    name = path.partition("{")[2].rstrip("}")
    return f"container {name}: " if name else ""


def _words(event: Body) -> str:
    pod_name = lenient.text(event, "involvedObject", "name")
    return lasting(lenient.text(event, "message"), pod_name)


def _when(event: Body) -> tuple[datetime, int]:
    """When it was last seen; where that is the same second, the one that was written last."""
    seen = (
        lenient.time(event, "series", "lastObservedTime"),
        lenient.time(event, "lastTimestamp"),
        lenient.time(event, "eventTime"),
    )
    version = lenient.text(event, "metadata", "resourceVersion")
    order = int(version) if version.isdecimal() and len(version) < 20 else 0  # noqa: PLR2004
    return max((each for each in seen if each), default=_LONG_AGO), order


_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)


def _since(pod: Body) -> datetime:
    """Since when it is at what it is at: a container that was started anew has its time."""
    started = [
        lenient.time(each, "state", "running", "startedAt")
        for each in lenient.entries(pod, "status", "containerStatuses")
    ]
    made = lenient.time(pod, "metadata", "creationTimestamp")
    return max((each for each in (made, *started) if each), default=_LONG_AGO)


def _oldest_by_silence(pods: Iterable[Body]) -> dict[Silence, Body]:
    """Choose, of those that are at the same, the one that has been at it for longest."""
    chosen: dict[Silence, Body] = {}
    for pod in sorted(pods, key=lambda each: (_since(each), lenient.text(each, "metadata", "uid"))):
        silence = silence_of(pod)
        if silence is not None:
            chosen.setdefault(silence, pod)
    return chosen


def _asked_about(pod: Body, silence: Silence) -> tuple[str, Silence]:
    return lenient.text(pod, "metadata", "uid"), silence
