"""Each way in which a watch can break, on every watch of an operator at once."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from apiserver import ApiServer, Rule
from apiserver.faults import Action
from apiserver.resources import Body
from faults.life import NAME, SHRINKING, World, turning, until
from faults.operators import Command, Task, logging_to
from modelserver_operator.watch import WATCHED

_UNDISTURBED: Final = "undisturbed"
_IN_TIME_SECONDS: Final = 15.0
_EVERY_KIND: Final = len(WATCHED)
_WRONG_PORT: Final = 82
_FLAP_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Fault:
    """
    One way to break a watch.

    Args:
        name: a DNS label.
        action: what happens to a watch.
        code: of the answer, or of the ERROR in the stream.
        times: how many watches it happens to; None: to all, again and again.
        flaps: whether watches are accepted, carry an event, and are struck only then.
        backoff_scale: multiplies the operator's pauses and its patience with silence.
    """

    name: str
    action: Action
    code: int = 500
    times: int | None = None
    flaps: bool = False
    backoff_scale: float = 1.0

    def __str__(self) -> str:
        return self.name

    def rules(self) -> list[Rule]:
        """What is in force while the fault lasts; the last one is the fault."""
        if self.flaps:
            return []
        where = {"verbs": ("watch",), "namespaces": (self.name,)}
        fault = Rule(self.action, code=self.code, times=self.times, **where)
        if fault.is_in_stream:
            return [fault]
        return [Rule("watch-end", times=_EVERY_KIND, **where), fault]  # or nobody would connect


# A dead connection is given up after 70 s of silence: in a short run patience is shorter too.
FAULTS: Final = (
    Fault("connect-410", "status", 410),
    Fault("connect-500", "status", 500),
    Fault("connect-403", "status", 403),
    Fault("error-410", "watch-error", 410),
    Fault("error-500", "watch-error", 500),
    Fault("garbage", "watch-garbage"),
    Fault("eof-mid-line", "watch-eof"),
    Fault("accepted-then-reset", "watch-reset"),
    Fault("error-after-an-event", "watch-error", 500, flaps=True),
    Fault("silence", "watch-silence"),
    Fault("dead-connection", "watch-dead", times=_EVERY_KIND, backoff_scale=0.2),
)


@dataclass(frozen=True)
class Result:
    """
    What a fault led to.

    Args:
        hits: how many watches it struck.
        ended: whether the operator ended.
        reconnects_per_second: of the watch that was begun most often.
        seconds: from the end of the fault until all was as in an undisturbed run.
        difference: what was not so in time.
    """

    hits: int
    ended: bool
    reconnects_per_second: float
    seconds: float
    difference: str


@dataclass
class Campaign:
    """
    All faults side by side, each in a namespace with an operator of its own.

    Args:
        folder: for the log and kubeconfigs.
        seconds: how long a fault lasts.
        real_times: whether the operators are as patient as in life.

    Attributes:
        results: by fault.
        unforeseen: what operators logged as errors that nobody had foreseen.
    """

    folder: Path
    seconds: float = 20.0
    real_times: bool = False
    results: dict[Fault, Result] = field(default_factory=dict)
    unforeseen: list[str] = field(default_factory=list)

    async def run(self, faults: Iterable[Fault] = FAULTS) -> None:
        """Try them all."""
        log = self.folder / "operators.log"
        with logging_to(log):
            await self._run(list(faults))
        lines = log.read_text().splitlines()
        self.unforeseen += [line for line in lines if "unforeseen error" in line]

    async def _run(self, faults: list[Fault]) -> None:
        patience = dict.fromkeys([_UNDISTURBED, *map(str, faults)], 1.0)
        if not self.real_times:
            patience |= {fault.name: fault.backoff_scale for fault in faults}
        async with ApiServer(patience) as server, turning(server) as world:
            operators = {
                lane: Task(server, self.folder, _command(lane, scale))
                for lane, scale in patience.items()
            }
            try:
                await self._strike(world, operators, faults)
            finally:
                for operator in operators.values():
                    await operator.stop()

    async def _strike(self, world: World, operators: dict[str, Task], faults: list[Fault]) -> None:
        for lane, operator in operators.items():
            await operator.start()
            begin(world, lane)
        for lane in operators:
            await _settled(world, lane, "early")
            assert await until(lambda lane=lane: _open_watches(world, lane) == _EVERY_KIND, 15)
        reference = asyncio.create_task(self._undisturbed(world))
        async with asyncio.TaskGroup() as work:
            for fault in faults:
                work.create_task(self._one(world, operators[fault.name], fault, reference))

    async def _undisturbed(self, world: World) -> Body:
        """Do the same in half the time: what it comes to is known before the faults end."""
        await drift(world, _UNDISTURBED, self.seconds / 2)
        assert await until(lambda: _port(world, _UNDISTURBED) != _WRONG_PORT, 15)
        picture = await _settled(world, _UNDISTURBED, "late")
        while True:  # a busy machine may look as if nothing moved
            await asyncio.sleep(2)
            before, picture = picture, await _settled(world, _UNDISTURBED, "late")
            if before == picture:
                return picture

    async def _one(
        self, world: World, operator: Task, fault: Fault, reference: asyncio.Task[Body]
    ) -> None:
        lane, began = fault.name, time.monotonic()
        with world.server.faults(*fault.rules()) as rules:
            flapping = asyncio.create_task(_flap(world, fault)) if fault.flaps else None
            await drift(world, lane, self.seconds)
            hits = await _stopped(flapping) if flapping else rules[-1].hits
        over = time.monotonic()
        outcome = await world.becomes(lane, await reference, _IN_TIME_SECONDS)
        self.results[fault] = Result(
            hits,
            operator.ended,
            _most_connects(world.server, lane, began, over) / (over - began),
            time.monotonic() - over,
            outcome.difference,
        )


def begin(world: World, lane: str) -> None:
    """Make two ModelServers that have everything."""
    world.begin(lane, SHRINKING)
    _make(world, lane, "early")


async def drift(world: World, lane: str, seconds: float) -> None:
    """
    Let happen, in *seconds*, whatever an operator must not miss.

    A ModelServer comes, one goes, one comes and goes; a spec is edited; children are edited and
    deleted, the last of them a moment before the end.
    """
    server, pause = world.server, seconds / 6
    await asyncio.sleep(pause)
    _make(world, lane, "late")
    await asyncio.sleep(pause)
    world.go_on(lane, SHRINKING)
    await asyncio.sleep(pause)
    server.delete("ModelServer", lane, "early")
    _make(world, lane, "brief")
    await asyncio.sleep(pause)
    server.delete("ModelServer", lane, "brief")
    await asyncio.sleep(pause)
    server.delete("ConfigMap", lane, _config_map(world, lane))
    await asyncio.sleep(pause - 0.2)
    port = {"name": "http", "port": _WRONG_PORT, "targetPort": "http"}
    server.edit("Service", lane, NAME, {"spec": {"ports": [port]}})
    await asyncio.sleep(0.2)


def _port(world: World, lane: str) -> int:
    return int(world.server.get("Service", lane, NAME)["spec"]["ports"][0]["port"])


def _config_map(world: World, lane: str) -> str:
    names = [body["metadata"]["name"] for body in world.server.objects("ConfigMap", lane)]
    return next(name for name in names if name.startswith(NAME))


def _make(world: World, lane: str, name: str) -> None:
    spec = world.server.get("ModelServer", lane, NAME)["spec"] if name == "early" else None
    world.server.create(
        {
            "apiVersion": "modelserver.dev/v1alpha1",
            "kind": "ModelServer",
            "metadata": {"name": name, "namespace": lane},
            "spec": spec or {"model": {"source": {"bundled": {"path": "/models/breast-cancer"}}}},
        }
    )


async def _settled(world: World, lane: str, name: str) -> Body:
    """Wait until *name* has its pods, then until nothing moves."""

    def is_available() -> bool:
        conditions = world.server.get("ModelServer", lane, name).get("status", {})
        return any(
            (each["type"], each["status"]) == ("Ready", "True")
            for each in conditions.get("conditions", ())
        )

    assert await until(is_available, 30), f"{lane}: {name} does not become Ready"
    return await world.settled(lane, 30)


async def _flap(world: World, fault: Fault) -> int:
    """Again and again, have every watch of Deployments carry an event and break."""
    hits, number = 0, 0
    try:
        while True:
            number += 1
            note = {"metadata": {"annotations": {"example.com/beat": str(number)}}}
            world.server.edit("Deployment", fault.name, NAME, note)
            rule = Rule(fault.action, namespaces=(fault.name,), code=fault.code)
            with world.server.faults(rule):
                hits += rule.hits
            await asyncio.sleep(_FLAP_SECONDS)
    except asyncio.CancelledError:
        note = {"metadata": {"annotations": {"example.com/beat": None}}}
        world.server.edit("Deployment", fault.name, NAME, note)
        return hits


async def _stopped(flapping: asyncio.Task[int]) -> int:
    flapping.cancel()
    return await flapping


def _open_watches(world: World, lane: str) -> int:
    return sum(call.namespace == lane for call in world.server.open_watches)


def _most_connects(server: ApiServer, lane: str, began: float, over: float) -> int:
    connects = Counter(
        record.call.kind
        for record in server.journal
        if record.call.verb == "watch"
        and record.call.namespace == lane
        and began <= record.at <= over
    )
    return max(connects.values(), default=0)


def _command(lane: str, backoff_scale: float) -> Command:
    return Command(lane, (lane,), lease_namespace=lane, backoff_scale=backoff_scale)
