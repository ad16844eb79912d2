"""Looks for what no watch has told: from time to time, which objects still exist."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from modelserver_operator.controller import Controller
from modelserver_operator.errors import ReconcileError
from modelserver_operator.kinds import Kind


class Lister(Protocol):
    """What a sweep asks of the API server."""

    async def list_metadata(self, kind: Kind, namespace: str | None) -> tuple[set[str], int]:
        """Say which objects of *kind* exist, and the listing's resourceVersion."""


async def sweep(  # noqa: PLR0913 - what it goes through
    controller: Controller,
    lister: Lister,
    kinds: Callable[[], Collection[Kind]],
    namespaces: Sequence[str | None],
    alive: Callable[[], None],
    *,
    period_seconds: float = 300.0,
) -> None:
    """
    List every kind once each *period_seconds*, spread evenly over it, until cancelled.

    Args:
        controller: is told what there is.
        lister: the API server.
        kinds: what is watched at the time.
        namespaces: where; None for everywhere.
        alive: called now and then while the sweep goes on.
        period_seconds: from one listing of a kind to the next.
    """
    while True:
        places = [(kind, namespace) for kind in sorted(kinds()) for namespace in namespaces]
        for kind, namespace in places:
            alive()
            await asyncio.sleep(period_seconds / len(places))
            try:
                uids, version = await lister.list_metadata(kind, namespace)
            except ReconcileError:
                continue  # the next round is soon enough: this is the net under the net
            controller.listed(kind, namespace, uids, version)
