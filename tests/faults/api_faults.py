"""Each request the operator makes, and each way in which it can fail."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from apiserver import ApiServer, Rule
from apiserver.faults import Action
from faults.life import (
    GROWING,
    SHRINKING,
    Life,
    Pictures,
    World,
    recent_requests,
    turning,
    undisturbed,
    until,
)
from faults.operators import Command, Process, Task, logging_to, running
from modelserver_operator.children import CHILDREN
from modelserver_operator.watch import WATCHED

WAYS: Final[dict[str, tuple[Action, int]]] = {
    **{str(code): ("status", code) for code in (401, 403, 404, 409, 410, 422, 429, 500, 503, 504)},
    "hang": ("hang", 0),
    "reset-before": ("reset-before", 0),
    "reset-after-commit": ("reset-after-commit", 0),
    "truncated": ("truncated", 0),
}
_OF_AN_ACCEPTED_WATCH: Final[dict[str, Action]] = {
    "reset-after-commit": "watch-reset",
    "truncated": "watch-eof",
}
_CAN_BE_DROPPED: Final = (
    *("ConfigMap", "HorizontalPodAutoscaler", "PodDisruptionBudget"),
    *("NetworkPolicy", "ServiceMonitor"),
)


@dataclass(frozen=True)
class Fault:
    """
    One cell of the matrix.

    Args:
        verb: of the request, or `discover`.
        kind: of its object.
        way: a key of `WAYS`.
    """

    verb: str
    kind: str
    way: str

    def __str__(self) -> str:
        return "-".join(filter(None, (self.verb, self.kind, self.way)))

    @property
    def of_one_object(self) -> bool:
        """Whether a ModelServer of its own is all it strikes."""
        return self.kind not in ("Lease", "")

    @property
    def comes_late(self) -> bool:
        """Whether the request is only made when a ModelServer is edited, or a Lease renewed."""
        return self.verb in ("delete", "update") or (self.verb, self.kind) in (
            ("patch", "Service"),
            ("patch", "Event"),
            ("list", "Event"),
        )

    @property
    def life(self) -> Life:
        """A life in which the request is made."""
        return SHRINKING if self.verb == "delete" else GROWING

    def rules(self, namespace: str) -> list[Rule]:
        """The fault, after what makes the operator ask."""
        action, code = WAYS[self.way]
        if self.verb == "discover":
            return [Rule(action, verbs=("get",), kinds=("",), users=(namespace,), code=code)]
        where = {"kinds": (self.kind,), "namespaces": (namespace,)}
        fault = Rule(action, verbs=(self.verb,), code=code, **where)
        if self.verb == "list" and self.kind != "Event":
            return [Rule("watch-error", code=410, times=1, **where), fault]
        if self.verb != "watch":
            return [fault]
        if self.way in _OF_AN_ACCEPTED_WATCH:
            return [Rule(_OF_AN_ACCEPTED_WATCH[self.way], **where)]
        return [Rule("watch-end", times=1, **where), fault]


def matrix() -> list[Fault]:
    """Every verb and kind the operator uses, with every way to fail."""
    return [Fault(verb, kind, way) for verb, kind in _requests() for way in WAYS]


def _requests() -> Iterator[tuple[str, str]]:
    children = [child.kind.name for child in CHILDREN]
    for kind in children:
        yield from (("get", kind), ("apply", kind))
    yield from (("delete", kind) for kind in _CAN_BE_DROPPED if kind in children)
    yield from (("patch", "Service"), ("patch", "ModelServer"))
    yield from (("create", "Event"), ("patch", "Event"), ("list", "Event"))
    for kind in WATCHED:
        yield from (("list", kind.name), ("watch", kind.name))
    yield from (("get", "Lease"), ("create", "Lease"), ("update", "Lease"), ("discover", ""))


def sample(faults: Sequence[Fault], number: int) -> list[Fault]:
    """Take *number* of them (all, where there are not so many), evenly spread."""
    number = min(number, len(faults))
    return [faults[index * len(faults) // number] for index in range(number)]


@dataclass(frozen=True)
class Result:
    """
    What a fault led to.

    Args:
        hits: how often it struck.
        seconds: from its end until all was as in an undisturbed run.
        difference: what was not so in time.
    """

    hits: int
    seconds: float
    difference: str = ""


@dataclass
class Campaign:
    """
    Faults on disjoint objects of one operator, several at once; then those that strike all of it.

    Args:
        folder: for logs and kubeconfigs.
        lanes: how many ModelServers are alive at a time.
        seconds: how long a fault lasts, at least.
        backoff_scale: multiplies the operators' pauses.

    Attributes:
        results: by fault.
        ended: the exit statuses of operators that ended before they were told to.
        requests: each verb and kind that was asked for.
    """

    folder: Path
    lanes: int = 16
    seconds: float = 1.5
    backoff_scale: float = 0.25
    results: dict[Fault, Result] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    requests: set[tuple[str, str]] = field(default_factory=set)

    async def run(self, faults: Iterable[Fault]) -> None:
        """Try them all."""
        faults = list(faults)
        objects = [fault for fault in faults if fault.of_one_object]
        with logging_to(self.folder / "tasks.log"):
            await self._strike_objects(objects)
            await self._strike_operators([fault for fault in faults if not fault.of_one_object])

    async def _strike_objects(self, faults: list[Fault]) -> None:
        lanes = tuple(f"lane-{number:03d}" for number in range(self.lanes))
        async with ApiServer([*lanes, "default"]) as server, turning(server) as world:
            async with running(
                Process(server, self.folder, self._command("one", lanes))
            ) as operator:
                wanted = await undisturbed(world, lanes[0])
                # What hangs keeps one of the operator's workers: not too many at a time.
                hanging = [fault for fault in faults if fault.way == "hang"]
                others = [fault for fault in faults if fault.way != "hang"]
                few = max(1, self.lanes // 4)
                async with asyncio.TaskGroup() as work:
                    for number, lane in enumerate(lanes):
                        queue = hanging if number < few else others
                        work.create_task(self._lane(world, lane, queue, wanted))
                if operator.ended is not None:
                    self.ended.append(f"one: {operator.ended}")
            self._note(server)

    async def _lane(self, world: World, lane: str, queue: list[Fault], wanted: Pictures) -> None:
        while queue:
            fault = queue.pop()
            with world.server.faults(*fault.rules(lane)) as rules:
                world.begin(lane, fault.life)
                # What only later requests are to meet needs a good beginning.
                patience = 15 if fault.comes_late else 1
                await world.becomes(lane, wanted[fault.life.name, "first"], patience)
                world.go_on(lane, fault.life)
                await self._last(world, lane, fault, rules[-1])
            self.results[fault] = await self._after(world, lane, fault, rules[-1], wanted)
            await world.end(lane)

    async def _strike_operators(self, faults: list[Fault]) -> None:
        lanes = {fault: f"own-{number:03d}" for number, fault in enumerate(faults)}
        async with ApiServer(["reference", *lanes.values()]) as server, turning(server) as world:
            reference = Task(server, self.folder, self._command("reference"))
            await reference.start()
            wanted = await undisturbed(world, "reference")
            await reference.stop()
            room = asyncio.Semaphore(8)

            async def one(fault: Fault, lane: str) -> None:
                async with room:
                    await self._with_own_operator(world, lane, fault, wanted)

            async with asyncio.TaskGroup() as work:
                for fault, lane in lanes.items():
                    work.create_task(one(fault, lane))
            self._note(server)

    async def _with_own_operator(
        self, world: World, lane: str, fault: Fault, wanted: Pictures
    ) -> None:
        """Strike the Lease, or the discovery, of an operator that has nothing else to do."""
        operator = Task(world.server, self.folder, self._command(lane))
        world.begin(lane, fault.life)
        try:
            if fault.comes_late:
                await operator.start()
                await world.becomes(lane, wanted[fault.life.name, "first"])
            with world.server.faults(*fault.rules(lane)) as rules:
                if not fault.comes_late:
                    await operator.start()
                world.go_on(lane, fault.life)
                await self._last(world, lane, fault, rules[-1])
            self.results[fault] = await self._after(world, lane, fault, rules[-1], wanted)
            if operator.ended:
                self.ended.append(str(fault))
        finally:
            await operator.stop()
        await world.end(lane)

    def _command(self, identity: str, namespaces: tuple[str, ...] = ()) -> Command:
        return Command(
            identity,
            namespaces or (identity,),
            lease_namespace="default" if namespaces else identity,
            backoff_scale=self.backoff_scale,
        )

    async def _last(self, world: World, lane: str, fault: Fault, rule: Rule) -> None:
        """Keep a fault in force for its time, and until it has struck."""
        await asyncio.sleep(self.seconds)
        stumbles = {
            ("patch", "Event"): 0.7,  # counts up what happens again
            ("list", "Event"): 12.0,  # asked where a pod says nothing for ten seconds
        }
        seconds = stumbles.get((fault.verb, fault.kind), 0.0)
        deadline = time.monotonic() + 25
        while seconds and not rule.hits and time.monotonic() < deadline:
            await world.stumble(lane, seconds)
        await until(lambda: rule.hits > 0, 15)

    async def _after(
        self, world: World, lane: str, fault: Fault, rule: Rule, wanted: Pictures
    ) -> Result:
        outcome = await world.becomes(lane, wanted[fault.life.name, "last"])
        difference = outcome.difference or ("" if rule.hits else "the fault has struck nothing")
        if difference:
            difference += f"\n\n{recent_requests(world.server, lane)}"
        return Result(rule.hits, outcome.seconds, difference)

    def _note(self, server: ApiServer) -> None:
        calls = [record.call for record in server.journal]
        self.requests |= {(c.verb if c.kind else "discover", c.kind) for c in calls}
