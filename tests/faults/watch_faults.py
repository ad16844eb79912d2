"""Each way in which a watch can fail, and what an operator makes of it that has nothing else."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from apiserver import ApiServer, Call, Rule
from faults.life import GROWING, Pictures, World, recent_requests, turning, undisturbed
from faults.operators import Command, Process, running

FAULTS: Final = {
    "in-stream-410": Rule("watch-error", code=410),
    "in-stream-error": Rule("watch-error", code=500),
    "garbage-line": Rule("watch-garbage"),
    "end-inside-a-line": Rule("watch-eof"),
    "accepted-then-reset": Rule("watch-reset"),
    "accepted-then-ended": Rule("watch-end"),
    "silence": Rule("watch-silence"),
    "connect-500": Rule("status", verbs=("watch",), code=500),
    "connect-403": Rule("status", verbs=("watch",), code=403),
    "connect-410": Rule("status", verbs=("watch",), code=410),
}
_NAMESPACE: Final = "lane-000"


@dataclass(frozen=True)
class Result:
    """
    What a fault of all watches led to.

    Args:
        ended: the operator's exit status, where it ended.
        hits: how often the fault struck.
        watches_per_second: of the kind that was watched anew most often.
        lists_per_second: of the kind that was listed anew most often.
        seconds: from the end of the fault until all was as in an undisturbed run.
        difference: what was not so in time.
    """

    ended: int | None
    hits: int
    watches_per_second: float
    lists_per_second: float
    seconds: float
    difference: str


@dataclass
class Campaign:
    """
    One operator process and one API server for each fault, side by side.

    Args:
        folder: for logs and kubeconfigs.
        seconds: how long each fault lasts.

    Attributes:
        results: by the name of the fault.
    """

    folder: Path
    seconds: float = 20.0
    results: dict[str, Result] = field(default_factory=dict)

    async def run(self, names: list[str]) -> None:
        """Try them all at once."""
        async with asyncio.TaskGroup() as group:
            wanted = group.create_task(self._undisturbed())
            for name in names:
                group.create_task(self._try(name, wanted))

    async def _undisturbed(self) -> Pictures:
        async with self._operated("undisturbed") as (world, _):
            return await undisturbed(world, _NAMESPACE)

    async def _try(self, name: str, wanted: asyncio.Task[Pictures]) -> None:
        async with self._operated(name) as (world, operator):
            world.begin(_NAMESPACE, GROWING)
            await world.settled(_NAMESPACE)
            self.results[name] = await self._struck(world, FAULTS[name], operator, await wanted)

    @contextlib.asynccontextmanager
    async def _operated(self, name: str) -> AsyncIterator[tuple[World, Process]]:
        async with (
            ApiServer([_NAMESPACE, "default"]) as server,
            turning(server) as world,
            running(Process(server, self.folder, Command(name))) as operator,
        ):
            yield world, operator

    async def _struck(
        self, world: World, rule: Rule, operator: Process, wanted: Pictures
    ) -> Result:
        server = world.server
        # Open watches are ended, where the fault strikes only new ones.
        ends = () if rule.is_in_stream else (Rule("watch-end"),)
        first = len(server.journal)
        began = time.monotonic()
        with server.faults(rule):
            if ends:
                with server.faults(*ends):
                    await asyncio.sleep(0.1)
            await asyncio.sleep(self.seconds / 2)
            world.go_on(_NAMESPACE, GROWING)
            await asyncio.sleep(self.seconds / 2)
        lasted = time.monotonic() - began
        calls = [record.call for record in server.journal.records[first:]]
        outcome = await world.becomes(_NAMESPACE, wanted[GROWING.name, "last"])
        difference = outcome.difference
        if difference:
            difference += f"\n\n{recent_requests(server, _NAMESPACE)}"
        return Result(
            operator.ended,
            rule.hits,
            _most(calls, "watch") / lasted,
            _most(calls, "list") / lasted,
            outcome.seconds,
            difference,
        )


def _most(calls: Iterable[Call], verb: str) -> int:
    """How often *verb* was asked of the kind it was asked of most."""
    counted = Counter(call.kind for call in calls if call.verb == verb)
    return max(counted.values(), default=0)
