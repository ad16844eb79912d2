"""What no watch has told is found by listing."""

import asyncio
from typing import Any

from modelserver_operator.errors import ApiUnavailable, StalePicture
from modelserver_operator.kinds import DEPLOYMENT, POD, SERVICE, Kind
from modelserver_operator.sweep import sweep


class Told:
    """A controller that only keeps what it is told."""

    def __init__(self) -> None:
        self.listings: list[tuple[str, str | None, set[str], float]] = []

    def listed(self, kind: Kind, namespace: str | None, alive: set[str], version: float) -> None:
        """Keep a listing."""
        self.listings.append((kind.name, namespace, alive, version))


class Lists:
    """Lists one object of each kind, and fails for those that are told."""

    def __init__(self, **failures: Exception) -> None:
        self.failures = failures

    async def list_metadata(self, kind: Kind, namespace: str | None) -> tuple[set[str], int]:
        """List."""
        if kind.name in self.failures:
            raise self.failures[kind.name]
        return {f"{kind.name}-uid"}, 7


async def swept(lister: Any, kinds: set[Kind], seconds: float) -> list[Any]:
    """Sweep for some time in two namespaces."""
    told: Any = Told()
    beats: list[None] = []
    work = sweep(
        told, lister, lambda: kinds, ["a", "b"], lambda: beats.append(None), period_seconds=0.08
    )
    task = asyncio.create_task(work)
    await asyncio.sleep(seconds)
    task.cancel()
    assert beats
    return told.listings


async def test_every_kind_is_listed_in_every_namespace():
    """One after the other, spread over the period."""
    listings = await swept(Lists(), {DEPLOYMENT, SERVICE}, 0.12)
    assert listings[:4] == [
        ("Service", "a", {"Service-uid"}, 7),
        ("Service", "b", {"Service-uid"}, 7),
        ("Deployment", "a", {"Deployment-uid"}, 7),
        ("Deployment", "b", {"Deployment-uid"}, 7),
    ]


async def test_a_kind_that_cannot_be_listed_is_passed_over():
    """Overloaded, or a CRD that is gone: the next round is soon enough."""
    failing = Lists(Pod=ApiUnavailable("429"), Service=StalePicture("404"))
    listings = await swept(failing, {POD, SERVICE, DEPLOYMENT}, 0.2)
    assert {kind for kind, *_ in listings} == {"Deployment"}
