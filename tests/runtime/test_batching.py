"""What waits for the worker becomes its next batch."""

import asyncio
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest

from modelserver_runtime.batching import Batcher
from modelserver_runtime.engines import Outcome, OutOfRange, Rows
from modelserver_runtime.errors import Overloaded


class Model:
    """Answers a row with its first cell; holds each batch until it is let go."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.go = threading.Semaphore(0)

    def run(self, rows: Rows) -> Outcome:
        """Refuses negative cells."""
        self.batches.append(len(rows))
        assert self.go.acquire(timeout=5)
        if (rows < 0).any():
            raise OutOfRange("negative")
        return Outcome(rows[:, 0], np.column_stack((rows[:, 0], rows[:, 0])), rows[:, 0])


@pytest.fixture
def model() -> Model:
    """A model to look into."""
    return Model()


@pytest.fixture
async def batcher(model: Model) -> AsyncIterator[Batcher]:
    """A batcher of it, with room for 2,000 rows, in slices of 256."""
    batcher = Batcher(model.run, max_waiting_rows=2000, seconds=5, slice_rows=256)
    yield batcher
    model.go.release(100)
    batcher.close()


def rows(first: int, count: int = 1) -> Rows:
    """Rows that count up from *first*."""
    return np.arange(first, first + count, dtype=np.float64)[:, None]


async def started(batcher: Batcher, *batches: Rows) -> list["asyncio.Task[Outcome]"]:
    """Ask for each, in order."""
    tasks = []
    for batch in batches:
        tasks.append(asyncio.create_task(batcher.predict(batch)))
        await asyncio.sleep(0.01)
    return tasks


async def test_what_arrives_while_a_batch_runs_is_the_next(batcher: Batcher, model: Model) -> None:
    """No timer: the first goes alone, the others together, and each gets its own answer."""
    tasks = await started(batcher, rows(0), rows(1), rows(2, 3), rows(5))
    model.go.release(2)
    outcomes = await asyncio.gather(*tasks)
    assert model.batches == [1, 5]
    assert [o.predictions.tolist() for o in outcomes] == [[0], [1], [2, 3, 4], [5]]


async def test_a_big_request_goes_in_slices_between_small_ones(
    batcher: Batcher, model: Model
) -> None:
    """A small request waits for one slice, not for a thousand rows."""
    big, small = await started(batcher, rows(0, 1000), rows(7))
    model.go.release(2)
    assert (await small).predictions.tolist() == [7]
    assert model.batches[:2] == [256, 257]
    model.go.release(10)
    assert (await big).predictions.tolist() == list(range(1000))


async def test_slices_are_as_small_as_the_model_is_slow(model: Model) -> None:
    """Counted in rows, chosen by what a row costs."""
    batcher = Batcher(model.run, max_waiting_rows=2000, seconds=5, slice_rows=3)
    model.go.release(10)
    assert (await batcher.predict(rows(0, 7))).predictions.tolist() == list(range(7))
    assert model.batches == [3, 3, 1]
    batcher.close()


async def test_one_bad_request_does_not_spoil_the_others(batcher: Batcher, model: Model) -> None:
    """Those of a failed batch are asked again alone."""
    tasks = await started(batcher, rows(0), rows(1), rows(-5), rows(2))
    model.go.release(10)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[2], OutOfRange)
    good = [o.predictions.tolist() for o in outcomes if isinstance(o, Outcome)]
    assert good == [[0], [1], [2]]


async def test_too_much_waiting_is_refused(batcher: Batcher) -> None:
    """Rather than answered late."""
    tasks = await started(batcher, rows(0, 1000), rows(0, 1000))
    with pytest.raises(Overloaded):
        await batcher.predict(rows(0, 1000))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_request_that_waits_too_long_is_told_so(model: Model) -> None:
    """And is not computed once nobody waits for it."""
    batcher = Batcher(model.run, max_waiting_rows=2000, seconds=0.1)
    first = asyncio.create_task(batcher.predict(rows(0)))
    with pytest.raises(Overloaded, match="too long"):
        await batcher.predict(rows(1))
    with pytest.raises(Overloaded):
        await first
    model.go.release(5)
    assert (await batcher.predict(rows(2))).predictions.tolist() == [2]
    assert model.batches == [1, 1]
    batcher.close()


async def test_after_a_failed_batch_only_those_who_still_wait_are_asked_again(model: Model) -> None:
    """Whoever was told that it took too long must not cost the worker another turn."""
    batcher = Batcher(model.run, max_waiting_rows=2000, seconds=0.3)
    first, *late = await started(batcher, rows(0), rows(1), rows(-5), rows(2))
    model.go.release()
    assert (await first).predictions.tolist() == [0]
    for told in await asyncio.gather(*late, return_exceptions=True):
        assert isinstance(told, Overloaded)
    model.go.release(10)  # the batch of the late ones fails now
    assert (await batcher.predict(rows(7))).predictions.tolist() == [7]
    assert model.batches == [1, 3, 1]
    batcher.close()
