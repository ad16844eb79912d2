"""The controller's workers leave room for everything else that this process does."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from prometheus_client import CollectorRegistry

import modelserver_make as make
from modelserver_operator.controller import WORKERS, Controller
from modelserver_operator.errors import NamespaceTerminating
from modelserver_operator.kinds import MODEL_SERVER
from modelserver_operator.metrics import Metrics
from modelserver_operator.reconcile import Settings
from modelserver_operator.store import Key
from reconciled_world import KEY, MemoryCluster

SETTINGS = Settings("localhost/runtime:1", "test", now=lambda: datetime.now(UTC))


async def test_a_long_queue_of_unchanged_modelservers_holds_up_nothing_else():
    """Renewing the Lease, probes and watches have their turn after as many keys as workers."""
    controller = Controller(MemoryCluster(), SETTINGS, Metrics(CollectorRegistry()))
    leading = asyncio.create_task(controller.lead())
    await asyncio.sleep(0)
    for number in range(50 * WORKERS):
        controller.queue.add(Key("team", f"web-{number}"))
    done = [0.0]
    while done[-1] < 50 * WORKERS:
        await asyncio.sleep(0)
        count = controller.metrics.registry.get_sample_value(
            "modelserver_operator_reconcile_seconds_count"
        )
        done.append(count or 0.0)
    leading.cancel()
    await asyncio.wait({leading})
    assert max(after - before for before, after in itertools.pairwise(done)) <= WORKERS


async def test_a_namespace_that_goes_is_told_of_once_and_forgotten_with_it():
    """However often it is looked at again; the next of that name is another."""
    cluster = MemoryCluster()
    going = {"ServiceAccount": NamespaceTerminating("team is being terminated")}
    cluster.refuses |= going
    server = cluster.server.create(make.server() | {"metadata": dict(KEY._asdict())})
    controller = Controller(cluster, SETTINGS, Metrics(CollectorRegistry()), backoff_scale=0.01)
    controller.saw(MODEL_SERVER, server)

    def ended(result: str) -> float:
        name, labels = "modelserver_operator_reconciles_total", {"result": result}
        return controller.metrics.registry.get_sample_value(name, labels) or 0.0

    def told() -> int:
        return sum(line["event"].startswith("the namespace is being deleted") for line in lines)

    with structlog.testing.capture_logs() as lines:
        leading = asyncio.create_task(controller.lead())
        await until(lambda: ended("terminating") >= 3)
        assert told() == 1
        cluster.refuses.clear()
        await until(lambda: ended("changed") == 1)
        cluster.refuses |= going
        account = cluster.server.get("ServiceAccount", *KEY)
        cluster.server.delete("ServiceAccount", *KEY)
        controller.lost(account)
        await until(lambda: told() == 2)
        leading.cancel()
        await asyncio.wait({leading})


async def until(holds: Callable[[], object]) -> None:
    """Wait until *holds*."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)
