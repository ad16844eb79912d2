"""Keeps background work going whatever ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from modelserver_operator.metrics import Metrics

log = structlog.get_logger()

_LONGEST_PAUSE_SECONDS: Final = 10.0
_HEALTHY_SECONDS: Final = 60.0


async def contained(what: str, work: Callable[[], Awaitable[None]]) -> bool:
    """
    Do *work*; return False, with the traceback logged, where it raised.

    For errors that nobody foresaw: one poisonous object must not delay the others, and a loop
    that died at an odd answer leaves an operator that looks alive and does nothing.
    """
    try:
        await work()
    except Exception:  # the one place in the operator: what is unforeseen must not end it
        log.exception("unforeseen error", what=what)
        return False
    return True


async def supervise(name: str, loop: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
    """Run *loop* until it returns; where it raises, start it anew after a growing pause."""
    clock = asyncio.get_running_loop().time
    failures = 0
    while True:
        started = clock()
        if await contained(name, loop):
            return
        failures = 1 if clock() - started > _HEALTHY_SECONDS else failures + 1
        metrics.loop_restarts.labels(loop=name).inc()
        await asyncio.sleep(min(_LONGEST_PAUSE_SECONDS, 2.0 ** min(failures - 1, 10)))


class Pulse:
    """
    Which background loops go on, for /healthz: one that hangs looks alive from outside.

    Each loop says `beat` more often than it has promised to.
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._longest: dict[str, float] = {}

    def beats(self, name: str, longest_seconds: float) -> Callable[[], None]:
        """Expect loop *name* to call what is returned at least every *longest_seconds*."""
        self._longest[name] = longest_seconds

        def beat() -> None:
            self._last[name] = asyncio.get_running_loop().time()

        beat()
        return beat

    def silent(self) -> str:
        """Say which loops have not gone on for too long; empty where all do."""
        now = asyncio.get_running_loop().time()
        silent = {name: now - self._last[name] for name in self._last}
        return ", ".join(
            f"{name} has not gone on for {seconds:.0f} s"
            for name, seconds in sorted(silent.items())
            if seconds > self._longest[name]
        )
