"""One writer at a time: a Lease that the leader renews and a standby takes over."""

import asyncio
import contextlib
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

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """
        Run *lead* whenever the Lease is ours, and cancel it before another can take over.

        Losing the Lease makes this process a standby again. The Lease is given back on
        cancellation, so that a standby need not wait for it to run out.
        """
        try:
            while True:
                await self._acquire()
                log.info("leading", lease=self.name, identity=self.identity)
                self.metrics.leader.set(1)
                await self._lead_while_renewed(lead)
                self.metrics.leader.set(0)
                log.warning("lease lost: standing by", lease=self.name)
        finally:
            self.metrics.leader.set(0)
            await asyncio.shield(self._release())

    async def _acquire(self) -> None:
        while not await self._renewed():
            await asyncio.sleep(self.period_seconds)

    async def _lead_while_renewed(self, lead: Callable[[], Awaitable[None]]) -> None:
        working = asyncio.ensure_future(lead())
        clock = asyncio.get_running_loop().time
        renewed_at = clock()
        try:
            while clock() - renewed_at < self.deadline_seconds:
                done, _ = await asyncio.wait({working}, timeout=self.period_seconds)
                if done:
                    working.result()
                    return
                asked_at = clock()  # the Lease runs from when we asked, not from the answer
                if await self._renewed():
                    renewed_at = asked_at
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working

    async def _renewed(self) -> bool:
        """Try once to take or keep the Lease, within a second and a half of its deadline."""
        try:
            async with asyncio.timeout(self.deadline_seconds / 4):
                return await self._try()
        except StalePicture:
            return False  # another was faster
        except (ReconcileError, TimeoutError) as error:
            log.warning("lease not renewed", error=str(error) or type(error).__name__)
            return False

    async def _try(self) -> bool:
        lease = await self.leases.read_lease(self.namespace, self.name)
        if lease is None:
            await self.leases.create_lease(self._claimed(None))
            return True
        if self._is_anothers(lease):
            return False
        await self.leases.replace_lease(self._claimed(lease))
        return True

    def _is_anothers(self, lease: dict[str, Any]) -> bool:
        """Trust our own clock only: a Lease runs out when it has not changed before our eyes."""
        now = asyncio.get_running_loop().time()
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
            lease = await self.leases.read_lease(self.namespace, self.name)
            if lease is not None and lease.get("spec", {}).get("holderIdentity") == self.identity:
                released = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self.leases.replace_lease({**lease, "spec": released})
        except ReconcileError as error:
            log.warning("lease not released", error=str(error))
