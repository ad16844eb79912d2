"""Finds out whether there are ServiceMonitors in this cluster: their CRD may come and go."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from modelserver_operator.controller import Controller
from modelserver_operator.errors import ChildRefused, ReconcileError
from modelserver_operator.kinds import SERVICE_MONITOR, Kind
from modelserver_operator.watch import Watch

log = structlog.get_logger()

_PERIOD_SECONDS: Final = 10.0
"""A wrong answer, say of a proxy, is mended in a quarter of a minute."""

_IMPATIENT_SECONDS: Final = 1.0
_LISTING_SECONDS: Final = 10.0


class Discovery(Protocol):
    """What is asked of the API server."""

    async def serves(self, kind: Kind) -> bool:
        """Tell whether the API server knows *kind*."""


async def look_for_monitoring(
    discovery: Discovery,
    watch: Watch,
    controller: Controller,
    alive: Callable[[], None],
    *,
    period_seconds: float = _PERIOD_SECONDS,
) -> None:
    """
    Ask every *period_seconds* whether ServiceMonitors are served, and watch them while they are.

    One request of discovery, which anybody may make; a watch of CRDs would need a right in the
    whole cluster. The controller hears of them when all have been listed: before, one that is
    there would seem to be missing.
    """
    while True:
        alive()
        try:
            served = await discovery.serves(SERVICE_MONITOR)
        except ChildRefused:  # not even discovery is allowed: then we know of none
            served = False
        except ReconcileError as error:  # no answer is no news
            if controller.monitoring_served is None:
                log.warning("cannot ask for the monitoring API yet", error=str(error))
                await asyncio.sleep(_IMPATIENT_SECONDS)
                continue
            served = watch.watches(SERVICE_MONITOR)
        if served:
            await watch.add(SERVICE_MONITOR)
            await _listed(watch)
        else:
            await watch.remove(SERVICE_MONITOR)
        controller.serve_monitoring(watch.is_listed(SERVICE_MONITOR))
        await asyncio.sleep(period_seconds)


async def _listed(watch: Watch) -> None:
    """Give the listing some time: it may be forbidden, and then nothing may wait for it."""
    for _ in range(int(_LISTING_SECONDS / 0.05)):
        if watch.is_listed(SERVICE_MONITOR):
            return
        await asyncio.sleep(0.05)
