"""An operator that is stopped at a write, and a successor that goes on with nothing in mind."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry

from apiserver import ApiServer, Call, roll_out
from apiserver.resources import Body
from faults.life import CHILDREN, NAME, World, difference
from faults.steps import STEPS
from faults.traps import MOMENTS, Moment, Stop, Trap
from modelserver_operator import labels, settings
from modelserver_operator.cluster import Cluster
from modelserver_operator.errors import ReconcileError
from modelserver_operator.events import Recorder
from modelserver_operator.kinds import MODEL_SERVER
from modelserver_operator.memory import Memory
from modelserver_operator.metrics import Metrics
from modelserver_operator.reconcile import Settings, reconcile
from modelserver_operator.store import Key, Store
from modelserver_operator.watch import WATCHED

_PASSES: Final = 12
_LAST_WORDS_SECONDS: Final = 0.02
"""Until the server has read what a stopped pass had sent; both are in one event loop."""
_OPTIONS: Final = settings.parse([], {})


@dataclass(frozen=True)
class Ledger:
    """
    What has happened in a namespace so far.

    Args:
        created: children of each kind.
        deleted: likewise.
        changes: writes that changed something, by verb and kind.
        told: Events by reason and subject, repetitions included.
    """

    created: Counter[str]
    deleted: Counter[str]
    changes: Counter[str]
    told: Counter[str]

    def since(self, before: "Ledger") -> "Ledger":
        """Leave out what had happened *before*."""
        return Ledger(
            self.created - before.created,
            self.deleted - before.deleted,
            self.changes - before.changes,
            self.told - before.told,
        )


@dataclass(frozen=True)
class Chapter:
    """
    What is there after a step, and what it took.

    Args:
        picture: of the ModelServer and its children.
        holders: who holds which fields of the children.
        ledger: of this step alone.
        writes: those that were asked for.
        committed: the numbers of those that were not refused, from 1.
        struck: those at which an operator was stopped.
    """

    picture: Body
    holders: Body
    ledger: Ledger
    writes: Sequence[Call]
    committed: set[int]
    struck: Sequence[Call]


@dataclass(frozen=True)
class Crash:
    """
    Where an operator is stopped, and perhaps its successor too.

    Args:
        step: the index of the step that it works on.
        first: where the operator is stopped.
        second: at which moment of the very next write the successor is.
    """

    step: int
    first: Stop
    second: Moment | None = None

    def __str__(self) -> str:
        then = f" then {self.second}" if self.second else ""
        return f"{STEPS[self.step].name} {self.first}{then}"

    @property
    def stops(self) -> list[Stop]:
        """In the order in which they come."""
        second = [Stop(self.first.number + 1, self.second)] if self.second else []
        return [self.first, *second]


def single_crashes(undisturbed: Sequence[Chapter]) -> list[Crash]:
    """Every write of every step, at every moment; what is refused is never committed."""
    return [
        Crash(step, Stop(number, moment))
        for step, chapter in enumerate(undisturbed)
        for number in range(1, len(chapter.writes) + 1)
        for moment in MOMENTS
        if moment == "before" or number in chapter.committed
    ]


def double_crashes(undisturbed: Sequence[Chapter]) -> list[Crash]:
    """Likewise, and the successor is stopped at its first write, where it has one to make."""
    return [
        Crash(crash.step, crash.first, moment)
        for crash in single_crashes(undisturbed)
        for moment in MOMENTS
        if _successor_gets_to(moment, crash.first, undisturbed[crash.step])
    ]


def _successor_gets_to(moment: Moment, first: Stop, chapter: Chapter) -> bool:
    """An Event that was not sent is never sent; and a refused write, made again, is refused."""
    left = chapter.writes[first.number - (first.moment == "before") :]
    if len(chapter.committed) < len(chapter.writes) and moment != "before":
        return False
    return any(call.kind != "Event" for call in left)


class Existence:
    """
    One ModelServer's life in a namespace of its own, under operators that may be stopped.

    A pass is the operator's own, over HTTP; what its watches would have told is told before. A
    stop cancels it with the request under way, and its memory is gone. Every step begins when all
    is at rest, so that each may have a stop of its own.

    Args:
        world: the API server and its bookkeeping.
        cluster: the operator's requests.
        namespace: where.
    """

    def __init__(self, world: World, cluster: Cluster, namespace: str) -> None:
        self._world, self._cluster, self._namespace = world, cluster, namespace
        self._settings = Settings(
            _OPTIONS.runtime_image,
            "test",
            now=partial(datetime.now, UTC),
            prometheus_namespace=_OPTIONS.prometheus_namespace,
            monitoring_served=True,
        )
        self._forget()
        self._pass: asyncio.Task[int] | None = None
        self.trap = Trap(world.server, namespace, self._stop)

    async def live(self, stops: Mapping[int, Sequence[Stop]]) -> list[Chapter]:
        """
        Go through all steps; then the ModelServer is deleted, with all it has.

        Args:
            stops: by the index of a step, where the operator is stopped.
        """
        server = self._world.server
        server.create_namespace(self._namespace)
        chapters = []
        for number, step in enumerate(STEPS):
            before = ledger(self._world, self._namespace)
            self.trap.set(stops.get(number, ()))
            step.act(server, self._namespace)
            await self._come_to_rest(step.name)
            chapters.append(
                Chapter(
                    self._world.picture(self._namespace),
                    holders(server, self._namespace),
                    ledger(self._world, self._namespace).since(before),
                    self.trap.calls,
                    self.trap.committed,
                    self.trap.struck,
                )
            )
        self.trap.remove()
        await self._world.end(self._namespace)
        return chapters

    def _stop(self) -> None:
        self._forget()
        self._was_stopped = True
        if self._pass is not None:
            self._pass.cancel()

    def _forget(self) -> None:
        self._store, self._memory = Store(), Memory(Recorder("test"))

    async def _come_to_rest(self, step: str) -> None:
        for _ in range(_PASSES):
            self._was_stopped = False
            self._pass = asyncio.create_task(self._reconcile())
            await asyncio.wait({self._pass})
            if self._was_stopped or self.trap.is_set:
                await asyncio.sleep(_LAST_WORDS_SECONDS)
                self.trap.open()
            # Pods take longer than a new operator: it finds what the old one saw.
            if not self._was_stopped and not self._roll_out() and not self._pass.result():
                return
        raise AssertionError(f"{step}: it does not come to rest")

    async def _reconcile(self) -> int:
        """Make one pass; return how many writes it took, at least 1 where it has to be repeated."""
        self._tell()
        key = Key(self._namespace, NAME)
        try:
            outcome = await reconcile(key, self._store, self._cluster, self._settings, self._memory)
        except ReconcileError:
            return 1
        return outcome.writes + len(outcome.problems)

    def _tell(self) -> None:
        server = self._world.server
        name, value = labels.OURS.split("=")
        for kind in WATCHED:
            found = [
                body
                for body in server.objects(kind.name, self._namespace)
                if kind == MODEL_SERVER or body["metadata"].get("labels", {}).get(name) == value
            ]
            for body in found:
                self._store.put(kind, body)
            uids = [body["metadata"]["uid"] for body in found]
            self._store.retain(kind, None, uids, server.storage_revision)

    def _roll_out(self) -> bool:
        deployment = self._world.server.find("Deployment", self._namespace, NAME)
        if deployment is None:
            return False
        seen = deployment.get("status", {}).get("observedGeneration")
        if seen == deployment["metadata"]["generation"]:
            return False
        roll_out(self._world.server, self._namespace, NAME)
        return True


def ledger(world: World, namespace: str) -> Ledger:
    """Take down what has happened in *namespace* so far."""
    return Ledger(
        Counter({kind: world.births[namespace][kind] for kind in CHILDREN}),
        Counter({kind: world.deaths[namespace][kind] for kind in CHILDREN}),
        Counter(
            f"{record.call.verb} {record.call.kind}"
            for record in world.server.journal.writes()
            if record.changed and record.call.namespace == namespace and record.call.kind != "Event"
        ),
        _told(world.server, namespace),
    )


def changes_for_good(got: Chapter, wanted: Chapter) -> str:
    """Say what the stops of a step have changed."""
    return "\n".join(
        filter(
            None,
            (
                difference(got.picture, wanted.picture),
                difference(got.holders, wanted.holders),
                difference({"created": got.ledger.created}, {"created": wanted.ledger.created}),
                difference({"deleted": got.ledger.deleted}, {"deleted": wanted.ledger.deleted}),
                difference({"changes": got.ledger.changes}, {"changes": wanted.ledger.changes}),
                *(f"told too often: {what}" for what in got.ledger.told - wanted.ledger.told),
                *(f"never told: {what}" for what in _silence(got, wanted)),
            ),
        )
    )


def _silence(got: Chapter, wanted: Chapter) -> Counter[str]:
    """
    Find the Events that are missing for no reason.

    An Event is sent once, when the status that it speaks of has been stored, and is not kept for
    later: an operator that is stopped from there on until the last of them was sent loses some.
    """
    stored = any(call.kind in ("ModelServer", "Event") for call in got.struck)
    return Counter() if stored else wanted.ledger.told - got.ledger.told


def holders(server: ApiServer, namespace: str) -> Body:
    """Who holds which fields: two operators must not leave more behind than one."""
    uid = server.get("ModelServer", namespace, NAME)["metadata"]["uid"]
    found: Body = {}
    for kind in CHILDREN:
        for body in server.objects(kind, namespace):
            managers = json.loads(json.dumps(body["metadata"]["managedFields"]).replace(uid, "uid"))
            found[f"holders of {kind} {body['metadata']['name']}"] = {
                f"{m['manager']} {m['operation']} {m.get('subresource', '')}": m["fieldsV1"]
                for m in managers
            }
    return found


def _told(server: ApiServer, namespace: str) -> Counter[str]:
    """A repetition counts up the Event it repeats, whose note stays that of the first."""
    told: Counter[str] = Counter()
    for event in server.objects("Event", namespace):
        note = str(event.get("note", event.get("message")))
        subject = note.partition(":")[0]
        told[f"{event['reason']} {subject}"] += (event.get("series") or {}).get("count", 1)
    return told


class Campaign:
    """
    Lives with crashes, beside one without.

    Attributes:
        undisturbed: the chapters of the life without.
        results: by crash, how often it struck, and what it changed for good.
    """

    def __init__(self) -> None:
        self.undisturbed: list[Chapter] = []
        self.results: dict[Crash, tuple[int, str]] = {}

    async def live_undisturbed(self) -> None:
        """Learn which writes there are."""
        async with _connected() as (world, cluster):
            self.undisturbed = await Existence(world, cluster, "undisturbed").live({})

    async def run(self, crashes: Iterable[Crash], lanes: int = 4) -> None:
        """Try *crashes*, in as few lives as they take."""
        lives: list[dict[int, Crash]] = []
        for crash in crashes:
            life = next((life for life in lives if crash.step not in life), None)
            if life is None:
                lives.append(life := {})
            life[crash.step] = crash
        async with _connected() as (world, cluster), asyncio.TaskGroup() as work:
            queue = [*enumerate(lives)]
            for _ in range(lanes):
                work.create_task(self._lane(world, cluster, queue))

    async def _lane(
        self, world: World, cluster: Cluster, queue: list[tuple[int, dict[int, Crash]]]
    ) -> None:
        while queue:
            number, crashes = queue.pop()
            existence = Existence(world, cluster, f"crash-life-{number:03d}")
            chapters = await existence.live({n: each.stops for n, each in crashes.items()})
            for step, crash in crashes.items():
                text = changes_for_good(chapters[step], self.undisturbed[step])
                self.results[crash] = (len(chapters[step].struck), text)


@contextlib.asynccontextmanager
async def _connected() -> AsyncIterator[tuple[World, Cluster]]:
    async with ApiServer() as server:
        metrics = Metrics(CollectorRegistry())
        async with Cluster.connect(metrics, server.configuration()) as cluster:
            yield World(server), cluster
