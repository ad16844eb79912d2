"""Background work goes on whatever ends it."""

import asyncio
import time

import pytest
import structlog
from prometheus_client import CollectorRegistry

from modelserver_operator.metrics import Metrics
from modelserver_operator.supervision import Pulse, contained, supervise


@pytest.fixture(autouse=True)
def logged():
    """What was logged, kept from the screen."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def pauses(monkeypatch):
    """Every pause that was asked for; none is made."""
    asked = []

    async def sleep(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return asked


class Loop:
    """Raises as often as told, then returns."""

    def __init__(self, failures: int) -> None:
        self.runs = 0
        self.failures = failures

    async def __call__(self) -> None:
        """Run once."""
        self.runs += 1
        if self.runs <= self.failures:
            raise LookupError("an odd answer")


async def test_a_loop_that_raises_is_started_anew(pauses):
    """After pauses that grow to ten seconds; every start is counted."""
    metrics, loop = Metrics(CollectorRegistry()), Loop(failures=6)
    await supervise("sweep", loop, metrics)
    assert loop.runs == 7
    assert pauses == [1, 2, 4, 8, 10, 10]
    name = "modelserver_operator_loop_restarts_total"
    assert metrics.registry.get_sample_value(name, {"loop": "sweep"}) == 6


async def test_a_loop_that_fails_all_night_is_still_started_anew(pauses):
    """The pause stays at its cap: nothing overflows after a thousand failures."""
    loop = Loop(failures=1100)
    await supervise("watch", loop, Metrics(CollectorRegistry()))
    assert (loop.runs, pauses[-1]) == (1101, 10)


async def test_cancelling_is_no_error():
    """Or the process could not be told to stop."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await contained("work", cancelled)


async def test_contained_says_whether_it_went_well(logged):
    """The caller decides what a failure means; a person finds it in the log, once."""
    loop = Loop(failures=1)
    assert [await contained("work", loop), await contained("work", loop)] == [False, True]
    assert [(line["event"], line["what"]) for line in logged] == [("unforeseen error", "work")]


async def test_a_loop_that_hangs_is_named():
    """It looks alive from outside; a restart of the process mends it."""
    pulse = Pulse()
    beat = pulse.beats("leader", 0.05)
    pulse.beats("sweep", 60)
    assert pulse.silent() == ""
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.1)
    assert pulse.silent() == "leader has not gone on for 0 s"
    beat()
    assert pulse.silent() == ""
