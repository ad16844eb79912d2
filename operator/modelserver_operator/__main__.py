"""Starts the operator: `python -m modelserver_operator`."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from kubernetes.aio import client
from prometheus_client import CollectorRegistry

from modelserver_operator import endpoints, logs, settings
from modelserver_operator.cluster import Cluster
from modelserver_operator.controller import Controller
from modelserver_operator.leader import Leader
from modelserver_operator.metrics import Metrics
from modelserver_operator.monitoring import look_for_monitoring
from modelserver_operator.ratelimit import TokenBucket
from modelserver_operator.reconcile import Settings
from modelserver_operator.supervision import Pulse, supervise
from modelserver_operator.sweep import sweep
from modelserver_operator.watch import Watch

_STUCK_SECONDS: Final = 300.0
"""Longer than any reconcile can take: each of its requests is over in ten seconds."""


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    options = settings.parse(sys.argv[1:], os.environ)
    logs.configure(options.log_level, options.log_format)
    asyncio.run(run(options))


async def run(
    options: settings.OperatorSettings,
    configuration: client.Configuration | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """
    Run the operator.

    Args:
        options: what it was told.
        configuration: where the API server is; left out: as the pod, or by the kubeconfig.
        stop: ends it when set; left out: SIGTERM and SIGINT do.
    """
    metrics = Metrics(CollectorRegistry())
    limit = TokenBucket(options.max_requests_per_second, options.request_burst)
    async with Cluster.connect(metrics, configuration, limit=limit) as cluster:
        operator = Operator(options, cluster, metrics)
        runner = await endpoints.serve(
            metrics.registry, operator.why_not_alive, operator.why_not_ready, options.port
        )
        try:
            await operator.run(stop)
        finally:
            await runner.cleanup()


class Operator:
    """The parts, fitted together."""

    def __init__(
        self, options: settings.OperatorSettings, cluster: Cluster, metrics: Metrics
    ) -> None:
        runtime = Settings(
            options.runtime_image,
            options.identity,
            now=partial(datetime.now, UTC),
            prometheus_namespace=options.prometheus_namespace,
        )
        self._cluster, self._metrics = cluster, metrics
        self._namespaces: list[str | None] = [*options.namespaces] or [None]
        self._controller = Controller(
            cluster, runtime, metrics, backoff_scale=options.backoff_scale
        )
        self._watch = Watch(
            self._controller,
            metrics,
            options.namespaces,
            options.identity,
            cluster.watch_session,
            backoff_scale=options.backoff_scale,
        )
        self._leader = Leader(
            cluster, options.lease_namespace, options.lease_name, options.identity, metrics
        )
        cluster.may_write_until = self._leader.may_write_until
        self._pulse = Pulse()

    def why_not_alive(self) -> str:
        """Say what hangs; empty where nothing does."""
        stuck = self._controller.queue.slowest_seconds()
        if stuck > _STUCK_SECONDS:
            return f"a reconcile has taken {stuck:.0f} s"
        return self._pulse.silent()

    def why_not_ready(self) -> str:
        """Say what is not known yet; empty where decisions can be made. A standby is ready too."""
        if reason := self._watch.why_not_full():
            return reason
        if self._controller.monitoring_served is None:
            return "not known yet whether there is a monitoring API"
        return ""

    async def run(self, stop: asyncio.Event | None) -> None:
        """Run every loop until *stop* is set (left out: until SIGTERM or SIGINT)."""
        signals = stop is None
        stop = stop or asyncio.Event()
        take = partial(take_signals, stop) if signals else leave_signals
        take()
        async with asyncio.TaskGroup() as group:

            def start(name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
                return group.create_task(supervise(name, loop, self._metrics), name=name)

            background = [
                start("leader", self._lead),
                start("sweep", self._sweep),
                start("monitoring", self._look_for_monitoring),
            ]
            alive = self._pulse.beats("watch", _STUCK_SECONDS)
            watching = start("watch", partial(self._watch.run, take, alive))
            await stop.wait()
            for task in background:  # first the leader: a standby may take over while we tidy up
                task.cancel()
            await asyncio.wait(background)
            self._watch.stop()
            await asyncio.wait({watching}, timeout=5)
            watching.cancel()

    async def _lead(self) -> None:
        alive = self._pulse.beats("leader", 30)
        while self.why_not_ready():  # half a picture would have us delete and create for nothing
            alive()
            await asyncio.sleep(0.05)
        await self._leader.run(self._controller.lead, alive)

    async def _sweep(self) -> None:
        alive = self._pulse.beats("sweep", 2 * _STUCK_SECONDS)
        await sweep(self._controller, self._cluster, self._watch.kinds, self._namespaces, alive)

    async def _look_for_monitoring(self) -> None:
        alive = self._pulse.beats("monitoring", 120)
        await look_for_monitoring(self._cluster, self._watch, self._controller, alive)


def take_signals(stop: asyncio.Event) -> None:
    """Set *stop* at SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


def leave_signals() -> None:
    """Take no signals, and have kopf take none."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)


if __name__ == "__main__":
    main()
