"""Runs reconciles: takes keys from the queue while this process leads, and looks again later."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import structlog
from structlog.contextvars import bound_contextvars

from modelserver_operator import lenient
from modelserver_operator.errors import (
    ApiUnavailable,
    NamespaceTerminating,
    ReconcileError,
    StalePicture,
    StatusRefused,
)
from modelserver_operator.events import Recorder
from modelserver_operator.kinds import Kind
from modelserver_operator.memory import Memory
from modelserver_operator.metrics import Metrics
from modelserver_operator.reconcile import Cluster, Outcome, Settings, reconcile
from modelserver_operator.store import Body, Key, Store
from modelserver_operator.supervision import contained
from modelserver_operator.workqueue import Workqueue

log = structlog.get_logger()

WORKERS: Final = 16
_TERMINATING_SECONDS: Final = 10.0


@dataclass
class Controller:
    """
    The store and the queue between the watches on one side and `reconcile` on the other.

    Args:
        cluster: where to write.
        settings: what a reconcile takes from the operator's configuration.
        metrics: how it goes.
        backoff_scale: multiplies the pauses after errors.

    Attributes:
        monitoring_served: whether ServiceMonitors can be made; None: not known yet.
    """

    cluster: Cluster
    settings: Settings
    metrics: Metrics
    backoff_scale: float = 1.0
    store: Store = field(default_factory=Store)
    monitoring_served: bool | None = None

    def __post_init__(self) -> None:
        self.queue = Workqueue[Key](scale=self.backoff_scale)
        self._leading = False
        self._terminating: dict[str, float] = {}
        self._memory = Memory(Recorder(self.settings.instance))
        self.metrics.observe_queue(self.queue.__len__, self.queue.oldest_seconds)
        self.metrics.observe_store(self.store.count_keys)

    def saw(self, kind: Kind, body: Body) -> None:
        """Take in an object that was listed, added or changed."""
        self._enqueue(self.store.put(kind, body))

    def lost(self, body: Body) -> None:
        """Take in a deletion."""
        metadata = body["metadata"]
        self._enqueue(self.store.drop(metadata["uid"], int(metadata["resourceVersion"])))

    def listed(self, kind: Kind, namespace: str | None, alive: set[str], version: float) -> None:
        """Take in a whole listing: what it lacks is gone."""
        self._enqueue(self.store.retain(kind, namespace, alive, version))

    def gone(self, kind: Kind) -> None:
        """Take in that there is no such kind any more."""
        self._enqueue(self.store.forget(kind))

    def serve_monitoring(self, served: bool) -> None:  # noqa: FBT001 - the verb's object
        """Take in whether ServiceMonitors can be made; all is looked at again if that turned."""
        if served == self.monitoring_served:
            return
        log.info("monitoring API", served=served)
        self.monitoring_served = served
        self.settings = replace(self.settings, monitoring_served=served)
        self._enqueue(set(self.store.keys()))

    async def lead(self) -> None:
        """Work on every ModelServer until cancelled."""
        self._leading = True
        self._enqueue(set(self.store.keys()))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(WORKERS):
                    group.create_task(self._work())
        finally:
            self._leading = False
            self.queue.clear()

    def _enqueue(self, keys: set[Key]) -> None:
        """A standby only remembers: when it leads, it looks at everything."""
        if self._leading:
            for key in keys:
                self.queue.add(key)

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                with bound_contextvars(namespace=key.namespace, name=key.name):
                    if not await contained("reconcile", partial(self._reconcile, key)):
                        self.queue.retry(key)
            finally:
                self.queue.done(key)
            # Where nothing is written, nothing was waited for: thousands in a row would keep the
            # Lease from being renewed, and whoever leads again looks at all of them again.
            await asyncio.sleep(0)

    async def _reconcile(self, key: Key) -> None:
        if self._is_terminating(key):
            return
        started, result = time.monotonic(), "error"
        try:
            outcome = await reconcile(key, self.store, self.cluster, self.settings, self._memory)
        except NamespaceTerminating:
            result = "terminating"
            self._be_quiet(key)
        except ReconcileError as error:
            self._try_again(key, error)
        else:
            result = outcome.result
            self._terminating.pop(key.namespace, None)
            self._look_again(key, outcome)
            self._tell(key, outcome, time.monotonic() - started)
        finally:
            self.metrics.reconciles.labels(result=result).inc()
            self.metrics.reconcile_seconds.observe(time.monotonic() - started)

    def _tell(self, key: Key, outcome: Outcome, seconds: float) -> None:
        """One line a reconcile: how it ended; for people only where something changed."""
        for kind in outcome.repaired:
            self.metrics.drift_repaired.labels(kind=kind).inc()
        tell = log.debug if outcome.result == "unchanged" else log.info
        tell(
            "reconciled",
            result=outcome.result,
            writes=outcome.writes,
            **({"repaired": list(outcome.repaired)} if outcome.repaired else {}),
            **_state_of(self.store.server(key)),
            seconds=round(seconds, 4),
        )

    def _try_again(self, key: Key, error: ReconcileError) -> None:
        wait = error.retry_after or 0.0 if isinstance(error, ApiUnavailable) else 0.0
        seldom = isinstance(error, StatusRefused)
        seconds = self.queue.retry(key, at_least_seconds=wait, seldom=seldom)
        tell = log.info if isinstance(error, StalePicture) else log.warning
        tell("reconcile will be tried again", error=str(error), seconds=round(seconds, 2))

    def _look_again(self, key: Key, outcome: Outcome) -> None:
        waits = [problem.look_again_seconds for problem in outcome.problems]
        if None in waits:
            self.queue.retry(key)
        elif not waits:
            self.queue.forget_failures(key)
        known = [wait for wait in (*waits, outcome.look_again_seconds) if wait is not None]
        if known:
            self.queue.add_after(key, min(known))

    def _be_quiet(self, key: Key) -> None:
        """Its objects go one by one, and each would have us try to make it anew."""
        if key.namespace not in self._terminating:
            log.info("the namespace is being deleted: nothing is made in it")
        seconds = _TERMINATING_SECONDS * self.backoff_scale
        self._terminating[key.namespace] = time.monotonic() + seconds
        self.queue.add_after(key, seconds)

    def _is_terminating(self, key: Key) -> bool:
        left = self._terminating.get(key.namespace, 0.0) - time.monotonic()
        if left > 0:
            self.queue.add_after(key, left)
            return True
        return False


def _state_of(server: dict[str, Any] | None) -> dict[str, Any]:
    """What a line about a ModelServer says of it."""
    if server is None:
        return {"gone": True}
    ready = lenient.condition(server, "Ready")
    return {
        "generation": server["metadata"].get("generation"),
        "ready": ready.get("status"),
        "reason": ready.get("reason"),
    }
