"""Runs reconciles: takes keys from the queue while this process leads, and looks again later."""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
from structlog.contextvars import bound_contextvars

from modelserver_operator.errors import ApiUnavailable, ReconcileError
from modelserver_operator.kinds import Kind
from modelserver_operator.metrics import Metrics
from modelserver_operator.reconcile import Cluster, Outcome, Settings, reconcile
from modelserver_operator.store import Body, Key, Store
from modelserver_operator.supervision import contained
from modelserver_operator.workqueue import Workqueue

log = structlog.get_logger()

WORKERS: Final = 16


@dataclass
class Controller:
    """The store and the queue between the watches on one side and `reconcile` on the other."""

    cluster: Cluster
    settings: Settings
    metrics: Metrics
    store: Store = field(default_factory=Store)
    queue: Workqueue[Key] = field(default_factory=Workqueue)

    def __post_init__(self) -> None:
        self.metrics.observe_queue(self.queue.__len__, self.queue.oldest_seconds)

    def saw(self, kind: Kind, body: Body) -> None:
        """Take in an object that was listed, added or changed."""
        self._enqueue(self.store.put(kind, body))

    def lost(self, body: Body) -> None:
        """Take in a deletion."""
        metadata = body["metadata"]
        self._enqueue(self.store.drop(metadata["uid"], int(metadata["resourceVersion"])))

    def listed(self, kind: Kind, namespace: str | None, alive: set[str], version: int) -> None:
        """Take in a whole listing: what it lacks is gone."""
        self._enqueue(self.store.retain(kind, namespace, alive, version))

    async def lead(self) -> None:
        """Work on every ModelServer until cancelled."""
        self._enqueue(set(self.store.keys()))
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work())

    def _enqueue(self, keys: set[Key]) -> None:
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

    async def _reconcile(self, key: Key) -> None:
        started, result = time.monotonic(), "error"
        try:
            outcome = await reconcile(key, self.store, self.cluster, self.settings)
        except ReconcileError as error:
            self._try_again(key, error)
        else:
            result = outcome.result
            self._look_again(key, outcome)
            tell = log.debug if result == "unchanged" else log.info
            seconds = round(time.monotonic() - started, 4)
            tell("reconciled", result=result, writes=outcome.writes, seconds=seconds)
        finally:
            self.metrics.reconciles.labels(result=result).inc()
            self.metrics.reconcile_seconds.observe(time.monotonic() - started)

    def _try_again(self, key: Key, error: ReconcileError) -> None:
        wait = error.retry_after or 0.0 if isinstance(error, ApiUnavailable) else 0.0
        seconds = self.queue.retry(key, at_least_seconds=wait)
        log.warning("reconcile will be tried again", error=str(error), seconds=round(seconds, 2))

    def _look_again(self, key: Key, outcome: Outcome) -> None:
        if not outcome.problems:
            self.queue.forget_failures(key)
            return
        waits = [problem.look_again_seconds for problem in outcome.problems]
        if all(wait is not None for wait in waits):
            self.queue.add_after(key, min(wait for wait in waits if wait is not None))
        else:
            self.queue.retry(key)
