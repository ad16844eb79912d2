"""Two operators, of which the leader is killed, ended or frozen again and again."""

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from apiserver import ApiServer, Call
from apiserver.faults import WRITES
from faults.life import GROWING, NAME, World, turning, until
from faults.operators import Command, Process

NAMESPACES: Final = ("team-a", "team-b", "team-c")
_LEASE: Final = ("Lease", "default", "modelserver-operator")
_FROZEN_SECONDS: Final = 11.0
"""At least; longer than the Lease runs, and until the standby has written."""

_AFTERWARDS_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 60.0
_WRONG: Final = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "somebody"}}}


@dataclass(frozen=True)
class Takeover:
    """
    What a signal to the leader led to.

    Args:
        signal: which.
        seconds: from the signal to the first write by another; infinite where none came.
        healed: whether every drift made after the signal was repaired.
    """

    signal: signal.Signals
    seconds: float
    healed: bool


@dataclass
class Campaign:
    """
    A leader and a standby; whoever is killed or ended gets a successor of another name.

    Args:
        folder: for logs and kubeconfigs.

    Attributes:
        takeovers: in order.
        trespasses: writes by somebody who did not hold the Lease when they came in.
        writes: how many writes were looked at.
    """

    folder: Path
    takeovers: list[Takeover] = field(default_factory=list)
    trespasses: list[str] = field(default_factory=list)
    writes: int = 0

    def __post_init__(self) -> None:
        self._alive: dict[str, Process] = {}
        self._made = 0

    async def run(self, signals: Sequence[signal.Signals]) -> None:
        """Send *signals* to whoever leads at the time."""
        async with ApiServer([*NAMESPACES, "default"]) as server, turning(server) as world:
            server.before(_is_write, lambda call: self._look_at(server, call))
            for namespace in NAMESPACES:
                world.begin(namespace, GROWING)
            try:
                await asyncio.gather(self._start(server), self._start(server))
                await _all_are_ready(server)
                for index, number in enumerate(signals):
                    is_last = index == len(signals) - 1
                    self.takeovers.append(await self._strike(world, number, is_last=is_last))
            finally:
                for process in self._alive.values():
                    process.send(signal.SIGCONT)
                    await process.stop()

    async def _strike(self, world: World, number: signal.Signals, *, is_last: bool) -> Takeover:
        server = world.server
        leader = self._alive[_holder(server)]
        if number == signal.SIGSTOP:
            struck_at = await self._freeze_in_a_write(server, leader)
        else:
            struck_at = time.monotonic()
            leader.send(number)
            del self._alive[leader.identity]
        _drift(server)
        async with asyncio.TaskGroup() as work:
            if number != signal.SIGSTOP and not is_last:
                work.create_task(self._start(server))
            seconds = await _first_write_by_another(server, leader.identity, struck_at)
            healed = await until(lambda: _is_healed(server), _PATIENCE_SECONDS)
        if number == signal.SIGSTOP:
            await asyncio.sleep(struck_at + _FROZEN_SECONDS - time.monotonic())
            leader.send(signal.SIGCONT)
            _drift(server)
            await asyncio.sleep(_AFTERWARDS_SECONDS)
            healed &= await until(lambda: _is_healed(server), _PATIENCE_SECONDS)
        else:
            await leader.wait()
        return Takeover(number, seconds, healed)

    async def _freeze_in_a_write(self, server: ApiServer, leader: Process) -> float:
        """Freeze it where it waits for an answer, with more to write once it has read it."""
        frozen = asyncio.Event()

        def freeze(_: Call) -> None:
            if not frozen.is_set():
                leader.send(signal.SIGSTOP)
                frozen.set()

        hook = server.after_commit(
            lambda call: _is_write(call) and call.user == leader.identity, freeze
        )
        for namespace in NAMESPACES:  # two children each: one of them is written after the freeze
            server.edit("Deployment", namespace, NAME, _WRONG)
            server.edit("Service", namespace, NAME, _WRONG)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await frozen.wait()
        hook.remove()
        return time.monotonic()

    async def _start(self, server: ApiServer) -> None:
        """Start one more, and wait until it leads or stands by."""
        self._made += 1
        process = Process(server, self.folder, Command(f"operator-{self._made}", NAMESPACES))
        self._alive[process.identity] = process
        await process.start()
        looked = await until(lambda: _has_looked(server, process.identity), _PATIENCE_SECONDS)
        assert looked, f"{process.identity} has not started: see {process.log}"

    def _look_at(self, server: ApiServer, call: Call) -> None:
        self.writes += 1
        if call.user != _holder(server):
            self.trespasses.append(f"{call} while {_holder(server) or 'nobody'} held the Lease")


def _is_write(call: Call) -> bool:
    return call.verb in WRITES and call.kind != "Lease"


def _holder(server: ApiServer) -> str:
    lease = server.find(*_LEASE)
    return "" if lease is None else str(lease["spec"].get("holderIdentity", ""))


def _has_looked(server: ApiServer, identity: str) -> bool:
    return any(r.call.kind == "Lease" and r.call.user == identity for r in server.journal)


def _drift(server: ApiServer) -> None:
    for namespace in NAMESPACES:
        server.edit("Deployment", namespace, NAME, _WRONG)


def _is_healed(server: ApiServer) -> bool:
    return not any(
        body["metadata"]["labels"].items() >= _WRONG["metadata"]["labels"].items()
        for kind in ("Deployment", "Service")
        for body in server.objects(kind)
    )


async def _all_are_ready(server: ApiServer) -> None:
    def ready() -> bool:
        servers = server.objects("ModelServer")
        conditions = [c for body in servers for c in body.get("status", {}).get("conditions", ())]
        return sum((c["type"], c["status"]) == ("Ready", "True") for c in conditions) == 3

    assert await until(ready, _PATIENCE_SECONDS)


async def _first_write_by_another(server: ApiServer, identity: str, since: float) -> float:
    """Wait for it; how long after *since* it came in."""

    def found() -> list[float]:
        return [
            record.at - since
            for record in server.journal.writes()
            if record.call.user != identity and record.at > since
        ]

    await until(lambda: bool(found()), _PATIENCE_SECONDS)
    return min(found(), default=float("inf"))
