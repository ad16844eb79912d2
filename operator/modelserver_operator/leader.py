"""One writer at a time: a Lease that the leader renews and a standby takes over."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from modelserver_operator.errors import ReconcileError, StalePicture
from modelserver_operator.kinds import LEASE
from modelserver_operator.metrics import Metrics

log = structlog.get_logger()


class Leases(Protocol):
    """What leading asks of the API server."""

    async def read_lease(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Read a Lease; None where there is none."""

    async def create_lease(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create a Lease."""

    async def replace_lease(self, body: dict[str, Any]) -> dict[str, Any]:
        """Replace a Lease; refused if it has changed since it was read."""


@dataclass
class Leader:
    """
    Holds a Lease and runs something only while it does.

    Args:
        leases: the API server.
        namespace: of the Lease.
        name: of the Lease.
        identity: who we are; no two processes alike.
        metrics: shows whether we lead.
        duration_seconds: how long others wait after the last renewal they saw.
        deadline_seconds: how long we go on after our last renewal; shorter than the duration.
        period_seconds: between renewals.
    """

    leases: Leases
    namespace: str
    name: str
    identity: str
    metrics: Metrics
    duration_seconds: float = 10.0
    deadline_seconds: float = 6.0
    period_seconds: float = 2.0

    def __post_init__(self) -> None:
        self._seen: tuple[str, float] = ("", 0.0)
        self._held: dict[str, Any] | None = None
        self._taken = False
        self._until = -math.inf

    def may_write_until(self) -> float:
        """Until when, on the event loop's clock, nobody else can be the leader."""
        return self._until

    async def run(
        self, lead: Callable[[], Awaitable[None]], alive: Callable[[], None] = lambda: None
    ) -> None:
        """
        Run *lead* whenever the Lease is ours, and cancel it before another can take over.

        Losing the Lease makes this process a standby again. The Lease is given back on
        cancellation, so that a standby need not wait for it to run out.

        Args:
            lead: what only one process may do.
            alive: called at each try to take or keep the Lease.
        """
        try:
            while True:
                await self._acquire(alive)
                log.info("leading", lease=self.name, identity=self.identity)
                self.metrics.leader.set(1)
                await self._lead_while_renewed(lead, alive)
                log.warning("lease lost: standing by", lease=self.name)
        finally:
            await asyncio.shield(self._release())

    async def _acquire(self, alive: Callable[[], None]) -> None:
        while True:
            alive()
            asked_at = _now()
            if await self._renewed():
                self._until = asked_at + self.deadline_seconds
                return
            await asyncio.sleep(self.period_seconds)

    async def _lead_while_renewed(
        self, lead: Callable[[], Awaitable[None]], alive: Callable[[], None]
    ) -> None:
        working = asyncio.ensure_future(lead())
        try:
            async with asyncio.timeout_at(self._until) as deadline:
                await self._renew_until_lost(working, deadline, alive)
        except TimeoutError:
            pass  # the Lease could not be renewed in time
        finally:
            self._until = -math.inf
            self.metrics.leader.set(0)
            working.cancel()
            await asyncio.wait({working})
        if not working.cancelled():
            working.result()

    async def _renew_until_lost(
        self,
        working: "asyncio.Future[None]",
        deadline: asyncio.Timeout,
        alive: Callable[[], None],
    ) -> None:
        """Return when the work has ended or the Lease is seen to be another's."""
        pause = self.period_seconds
        while not (await asyncio.wait({working}, timeout=pause))[0]:
            alive()
            asked_at = _now()  # the Lease runs from when we asked, not from the answer
            if await self._renewed():
                self._until = asked_at + self.deadline_seconds
                deadline.reschedule(self._until)
                pause = self.period_seconds
            elif self._taken:
                return
            else:
                pause = self.period_seconds / 4

    async def _renewed(self) -> bool:
        """Try once to take or keep the Lease."""
        try:
            async with asyncio.timeout(self.deadline_seconds / 3):
                return await self._try()
        except StalePicture:
            return False  # another was faster
        except (ReconcileError, TimeoutError) as error:
            log.warning("lease not renewed", error=str(error) or type(error).__name__)
            return False

    async def _try(self) -> bool:
        """A leader writes upon its own last write; who has none, or failed, looks first."""
        lease, self._held = self._held, None
        if lease is None:
            lease = await self.leases.read_lease(self.namespace, self.name)
        if lease is None:
            self._held = await self.leases.create_lease(self._claimed(None))
            return True
        self._taken = self._is_anothers(lease)
        if self._taken:
            return False
        self._held = await self.leases.replace_lease(self._claimed(lease))
        return True

    def _is_anothers(self, lease: dict[str, Any]) -> bool:
        """Trust our own clock only: a Lease runs out when it has not changed before our eyes."""
        now = _now()
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen[0]:
            self._seen = (version, now)
        spec = lease.get("spec", {})
        holder = spec.get("holderIdentity")
        if holder in (None, "", self.identity):
            return False
        runs_for = float(spec.get("leaseDurationSeconds", self.duration_seconds))
        return now - self._seen[1] < runs_for

    def _claimed(self, lease: dict[str, Any] | None) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = {} if lease is None else lease.get("spec", {})
        ours = before.get("holderIdentity") == self.identity
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(self.duration_seconds),
            "acquireTime": before["acquireTime"] if ours else now,
            "renewTime": now,
            "leaseTransitions": before.get("leaseTransitions", 0) + (0 if ours else 1),
        }
        if lease is not None:
            return {**lease, "spec": spec}
        metadata = {"name": self.name, "namespace": self.namespace}
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": metadata,
            "spec": spec,
        }

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(self.deadline_seconds / 2):
                lease = await self.leases.read_lease(self.namespace, self.name)
                if lease is None or lease.get("spec", {}).get("holderIdentity") != self.identity:
                    return
                released = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self.leases.replace_lease({**lease, "spec": released})
        except (ReconcileError, TimeoutError) as error:
            log.warning("lease not released", error=str(error) or type(error).__name__)


def _now() -> float:
    return asyncio.get_running_loop().time()
