"""The controller's workers leave room for everything else that this process does."""

import asyncio
import itertools
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from modelserver_operator.controller import WORKERS, Controller
from modelserver_operator.metrics import Metrics
from modelserver_operator.reconcile import Settings
from modelserver_operator.store import Key
from reconciled_world import MemoryCluster

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
