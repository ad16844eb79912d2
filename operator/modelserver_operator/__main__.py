"""Starts the operator: `python -m modelserver_operator`."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from modelserver_operator import endpoints, logs, settings
from modelserver_operator.cluster import Cluster
from modelserver_operator.controller import Controller
from modelserver_operator.kinds import MODEL_SERVER
from modelserver_operator.leader import Leader
from modelserver_operator.metrics import Metrics
from modelserver_operator.reconcile import Settings
from modelserver_operator.supervision import supervise
from modelserver_operator.sweep import sweep
from modelserver_operator.watch import WATCHED, Watch

log = structlog.get_logger()


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    options = settings.parse(sys.argv[1:], os.environ)
    logs.configure(options.log_level, options.log_format)
    asyncio.run(run(options))


async def run(options: settings.OperatorSettings) -> None:
    """Fit the parts together and keep them going."""
    metrics = Metrics(CollectorRegistry())
    async with Cluster.connect(metrics) as cluster:
        runtime = Settings(options.runtime_image, options.identity, now=partial(datetime.now, UTC))
        controller = Controller(cluster, runtime, metrics)
        watch = Watch(controller, metrics, options.namespaces, options.identity)
        runner = await endpoints.serve(
            metrics.registry, partial(why_not_ready, watch), options.port
        )
        leader = Leader(
            cluster, options.lease_namespace, options.lease_name, options.identity, metrics
        )
        try:
            await keep_going(options, cluster, controller, watch, leader, metrics)
        finally:
            await runner.cleanup()


async def keep_going(  # noqa: PLR0913 - the parts of the whole
    options: settings.OperatorSettings,
    cluster: Cluster,
    controller: Controller,
    watch: Watch,
    leader: Leader,
    metrics: Metrics,
) -> None:
    """Run every loop until SIGTERM or SIGINT."""
    namespaces: list[str | None] = [*options.namespaces] or [None]

    async def lead() -> None:
        while watch.missing:  # decisions on half a picture would delete and create for nothing
            await asyncio.sleep(0.05)
        await leader.run(controller.lead)

    stop = asyncio.Event()

    async def observe() -> None:
        await wait_for_crd(cluster, namespaces[0] or "default")
        await watch.run(on_started=partial(take_signals, stop))

    take_signals(stop)
    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(supervise("leader", lead, metrics)),
            group.create_task(
                supervise(
                    "sweep", partial(sweep, controller, cluster, WATCHED, namespaces), metrics
                )
            ),
        ]
        watching = group.create_task(supervise("watch", observe, metrics))
        await stop.wait()
        for task in background:  # first the leader: a standby may take over while we tidy up
            task.cancel()
        await asyncio.wait(background)
        watch.stop()
        await asyncio.wait({watching}, timeout=5)
        watching.cancel()


def take_signals(stop: asyncio.Event) -> None:
    """Set *stop* at SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def wait_for_crd(cluster: Cluster, namespace: str) -> None:
    """Wait until the CRD is installed: kopf never looks again for a kind it did not find."""
    while not await cluster.serves(MODEL_SERVER, namespace):
        log.warning("the CRD is not installed: kubectl apply -f crds/modelservers.yaml")
        await asyncio.sleep(2)


def why_not_ready(watch: Watch) -> str:
    """Say what has not been listed yet."""
    kinds = sorted({plural for plural, _ in watch.missing})
    return f"not listed yet: {', '.join(kinds)}" if kinds else ""


if __name__ == "__main__":
    main()
