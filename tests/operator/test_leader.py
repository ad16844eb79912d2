"""One writer at a time: taken over after expiry, given back on the way out."""

import asyncio
import contextlib
import itertools
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from modelserver_operator.errors import ApiUnavailable, StalePicture
from modelserver_operator.leader import Leader
from modelserver_operator.metrics import Metrics


class MemoryLeases:
    """One Lease with the API server's optimistic locking, and a switch to take it down."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.down: set[str] = set()
        self.hangs = False
        self.reads = 0
        self._versions = map(str, itertools.count(1))

    async def read_lease(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Give it as it is."""
        self.reads += 1
        return self.lease

    async def create_lease(self, body: dict[str, Any]) -> dict[str, Any]:
        """Refuse where there is one."""
        if self.lease is not None:
            raise StalePicture("exists")
        return await self._store(body)

    async def replace_lease(self, body: dict[str, Any]) -> dict[str, Any]:
        """Refuse what was read before the last write."""
        if self.lease is None:
            raise StalePicture("gone")
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise StalePicture("changed")
        return await self._store(body)

    async def _store(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.hangs:
            await asyncio.sleep(60)
        if body["spec"]["holderIdentity"] in self.down:
            raise ApiUnavailable("503")
        metadata = {**body["metadata"], "resourceVersion": next(self._versions)}
        self.lease = {**body, "metadata": metadata}
        return self.lease

    @property
    def holder(self) -> str:
        """Who holds it."""
        return "" if self.lease is None else self.lease["spec"]["holderIdentity"]


class Journal:
    """Who led when."""

    def __init__(self) -> None:
        self.leading: set[str] = set()
        self.most_at_once = 0
        self.terms: list[str] = []

    async def lead(self, who: str) -> None:
        """Lead until cancelled."""
        self.terms.append(who)
        self.leading.add(who)
        self.most_at_once = max(self.most_at_once, len(self.leading))
        try:
            await asyncio.Event().wait()
        finally:
            self.leading.discard(who)


class Candidates:
    """Leaders that share one Lease and one journal; short times."""

    def __init__(self, leases: MemoryLeases) -> None:
        self.leases, self.journal = leases, Journal()
        self.metrics = {who: Metrics(CollectorRegistry()) for who in "ab"}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.leaders: dict[str, Leader] = {}

    def start(self, who: str) -> None:
        """Have *who* stand."""
        leader = self.leaders[who] = Leader(
            self.leases,
            "system",
            "lease",
            who,
            self.metrics[who],
            duration_seconds=1.0,
            deadline_seconds=0.4,
            period_seconds=0.05,
        )
        self.tasks[who] = asyncio.ensure_future(leader.run(lambda: self.journal.lead(who)))

    async def stop(self, who: str) -> None:
        """Cancel *who* and wait for its end."""
        task = self.tasks.pop(who)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def until(self, *leading: str, seconds: float = 3.0) -> None:
        """Wait until exactly these lead."""
        async with asyncio.timeout(seconds):
            while self.journal.leading != set(leading):
                await asyncio.sleep(0.01)

    def shown(self, who: str) -> float | None:
        """Read the gauge of *who*."""
        registry = self.metrics[who].registry
        return registry.get_sample_value("modelserver_operator_leader")


@pytest.fixture
async def candidates():
    """Two candidates, not started; stopped at the end."""
    both = Candidates(MemoryLeases())
    yield both
    for who in list(both.tasks):
        await both.stop(who)


async def test_one_leads_and_the_other_stands_by(candidates):
    """The standby does nothing while the Lease is renewed, longer than it would last."""
    candidates.start("a")
    await candidates.until("a")
    candidates.start("b")
    await asyncio.sleep(1.2)
    assert candidates.journal.terms == ["a"]
    assert (candidates.shown("a"), candidates.shown("b")) == (1, 0)


async def test_a_lease_given_back_is_taken_at_once(candidates):
    """A standby need not wait for it to run out when the leader is told to stop."""
    candidates.start("a")
    await candidates.until("a")
    candidates.start("b")
    await candidates.stop("a")
    assert candidates.leases.holder in ("", "b")
    await candidates.until("b", seconds=0.5)
    assert candidates.shown("a") == 0
    assert candidates.leases.lease["spec"]["leaseTransitions"] == 2


async def test_who_cannot_renew_stops_before_another_starts(candidates):
    """The leader that lost its API server ends its work, then the standby takes over."""
    candidates.start("a")
    await candidates.until("a")
    candidates.start("b")
    candidates.leases.down.add("a")
    await candidates.until()
    assert candidates.leases.holder == "a"
    await candidates.until("b")
    assert candidates.journal.most_at_once == 1
    candidates.leases.down.clear()
    await candidates.stop("b")
    await candidates.until("a")  # it stood by meanwhile: losing the Lease is no end


async def test_a_renewal_that_hangs_counts_as_none(candidates):
    """An API server that takes the request and says nothing is one that is down."""
    candidates.start("a")
    await candidates.until("a")
    candidates.leases.hangs = True
    await candidates.until(seconds=0.9)  # before a second candidate could have it
    candidates.leases.hangs = False
    await candidates.until("a")


async def test_the_end_is_known_in_advance_and_kept(candidates):
    """No work goes on past it, also while a renewal hangs; a write can be fitted in before it."""
    candidates.start("a")
    await candidates.until("a")
    now = asyncio.get_running_loop().time
    until = candidates.leaders["a"].may_write_until()
    assert now() < until <= now() + 0.4
    candidates.leases.hangs = True
    until = candidates.leaders["a"].may_write_until()
    await candidates.until()
    assert now() <= until + 0.05
    assert candidates.leaders["a"].may_write_until() < now()


async def test_who_sees_another_name_stops_at_once(candidates):
    """An administrator may give the Lease to somebody else."""
    candidates.start("a")
    await candidates.until("a")
    lease = candidates.leases.lease
    given = {**lease, "spec": {**lease["spec"], "holderIdentity": "b"}}
    await candidates.leases.replace_lease(given)
    await candidates.until(seconds=0.3)


async def test_a_lease_that_was_deleted_is_made_anew(candidates):
    """And nobody stops working for it."""
    candidates.start("a")
    await candidates.until("a")
    candidates.leases.lease = None
    await asyncio.sleep(0.3)
    assert candidates.leases.holder == "a"
    assert candidates.journal.terms == ["a"]


async def test_a_renewal_is_one_request(candidates):
    """Upon our own last write; who stands by reads."""
    candidates.start("a")
    await candidates.until("a")
    await asyncio.sleep(0.1)
    reads = candidates.leases.reads
    await asyncio.sleep(0.3)
    assert candidates.leases.reads == reads


async def test_a_failed_renewal_or_two_change_nothing(candidates):
    """Work goes on until the deadline."""
    candidates.start("a")
    await candidates.until("a")
    candidates.leases.down.add("a")
    await asyncio.sleep(0.15)
    candidates.leases.down.clear()
    await asyncio.sleep(0.6)
    assert candidates.journal.terms == ["a"]


async def test_of_two_that_come_together_one_leads(candidates):
    """The API server decides who was first."""
    candidates.start("a")
    candidates.start("b")
    await asyncio.sleep(0.3)
    assert len(candidates.journal.terms) == 1


async def test_work_that_breaks_off_gives_the_lease_back():
    """The error goes up to whoever supervises; the Lease is free for a standby."""
    leases = MemoryLeases()
    leader = Leader(leases, "system", "lease", "a", Metrics(CollectorRegistry()))

    async def breaks() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leader.run(breaks)
    assert leases.lease is not None
    assert leases.holder == ""
