"""The real process, killed at a write and started anew."""

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apiserver import ApiServer
from faults.crash_points import Chapter, Ledger, holders, ledger
from faults.life import World, difference, turning, until
from faults.operators import Command, Process, running
from faults.steps import STEPS
from faults.traps import MOMENTS, Stop, Trap

_NAMESPACE: Final = "killed"
_PATIENCE_SECONDS: Final = 60.0
_REST_SECONDS: Final = 0.3


@dataclass(frozen=True)
class Kill:
    """
    What a SIGKILL led to.

    Args:
        step: what the process was at.
        stop: at which write.
        struck: how often the trap has struck.
        seconds: from the new start until all was as in a life without kills.
        difference: to that life.
    """

    step: str
    stop: Stop
    struck: int
    seconds: float
    difference: str


def spread_over_steps(undisturbed: Sequence[Chapter], number: int) -> dict[int, Stop]:
    """Choose *number* steps (all, where there are fewer) and a write to a child in each."""
    writes = {
        step: [call for call in chapter.writes if call.kind not in ("ModelServer", "Event")]
        for step, chapter in enumerate(undisturbed)
    }
    steps = sorted(step for step, calls in writes.items() if calls)
    number = min(number, len(steps))
    chosen = [steps[index * len(steps) // number] for index in range(number)]
    return {
        step: Stop(1 + index * 3 % len(writes[step]), MOMENTS[index % len(MOMENTS)])
        for index, step in enumerate(chosen)
    }


async def live(
    folder: Path, undisturbed: Sequence[Chapter], kills: Mapping[int, Stop]
) -> list[Kill]:
    """
    Go through all steps with a real process.

    Args:
        folder: for its log.
        undisturbed: a life without kills.
        kills: by the index of the step.
    """
    results = []
    async with ApiServer([_NAMESPACE, "default"]) as server, turning(server) as world:
        command = Command("operator-0", (_NAMESPACE,))
        async with running(Process(server, folder, command)) as process:
            trap = Trap(server, _NAMESPACE, lambda: process.send(signal.SIGKILL))
            for number, step in enumerate(STEPS):
                stops = [kills[number]] if number in kills else []
                before = ledger(world, _NAMESPACE)
                trap.set(stops)
                step.act(server, _NAMESPACE)
                if stops and await until(lambda: bool(trap.struck), _PATIENCE_SECONDS):
                    await process.wait()
                    trap.open()
                    await process.start()
                seconds, text = await _rest(world, before, undisturbed[number])
                if stops:
                    results.append(Kill(step.name, stops[0], len(trap.struck), seconds, text))
                elif text:
                    raise AssertionError(f"{step.name}, without a kill: {text}")
    return results


async def _rest(world: World, before: Ledger, wanted: Chapter) -> tuple[float, str]:
    """Wait until all is as *wanted*; how long that took, and what is not so."""
    started = time.monotonic()
    outcome = await world.becomes(_NAMESPACE, wanted.picture, _PATIENCE_SECONDS)
    seconds = time.monotonic() - started
    await asyncio.sleep(_REST_SECONDS)
    got = ledger(world, _NAMESPACE).since(before)
    texts = (
        outcome.difference,
        difference(holders(world.server, _NAMESPACE), wanted.holders),
        difference({"created": got.created}, {"created": wanted.ledger.created}),
        difference({"deleted": got.deleted}, {"deleted": wanted.ledger.deleted}),
    )
    return seconds, "\n".join(filter(None, texts))
