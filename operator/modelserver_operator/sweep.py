"""Looks for what no watch has told: from time to time, which objects still exist."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from modelserver_operator.controller import Controller
from modelserver_operator.errors import ApiUnavailable, ChildRefused
from modelserver_operator.kinds import Kind


class Lister(Protocol):
    """What a sweep asks of the API server."""

    async def list_metadata(self, kind: Kind, namespace: str | None) -> tuple[set[str], int]:
        """Say which objects of *kind* exist, and the listing's resourceVersion."""


async def sweep(
    controller: Controller,
    lister: Lister,
    kinds: Sequence[Kind],
    namespaces: Iterable[str | None],
    *,
    period_seconds: float = 300.0,
) -> None:
    """List every kind once each *period_seconds*, spread evenly over it, until cancelled."""
    places = [(kind, namespace) for kind in kinds for namespace in namespaces]
    while True:
        for kind, namespace in places:
            await asyncio.sleep(period_seconds / len(places))
            try:
                alive, version = await lister.list_metadata(kind, namespace)
            except (ApiUnavailable, ChildRefused):
                continue  # the next round is soon enough: this is the net under the net
            controller.listed(kind, namespace, alive, version)
