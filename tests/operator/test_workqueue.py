"""Each key waits once, none runs twice at a time, failures back off."""

import asyncio

import pytest

from modelserver_operator.workqueue import Workqueue


async def soon(queue: Workqueue[str]) -> str | None:
    """Take a key if one is ready."""
    try:
        return await asyncio.wait_for(queue.get(), 0.05)
    except TimeoutError:
        return None


async def test_a_key_waits_once_however_often_it_is_added():
    """A hundred changes are one run."""
    queue = Workqueue[str]()
    for _ in range(100):
        queue.add("a")
    assert len(queue) == 1
    assert await soon(queue) == "a"
    assert await soon(queue) is None


async def test_a_key_that_runs_is_not_given_out_again_before_it_is_done():
    """What is added meanwhile runs afterwards, once."""
    queue = Workqueue[str]()
    queue.add("a")
    assert await soon(queue) == "a"
    queue.add("a")
    queue.add("a")
    assert await soon(queue) is None
    queue.done("a")
    assert await soon(queue) == "a"
    queue.done("a")
    assert await soon(queue) is None


async def test_the_earliest_plan_wins():
    """A later plan does not push back an earlier one, an earlier one replaces a later."""
    queue = Workqueue[str]()
    queue.add_after("a", 30)
    queue.add_after("a", 0.01)
    queue.add_after("a", 30)
    assert await soon(queue) == "a"


@pytest.mark.parametrize("failures", range(1, 9))
async def test_backoff_doubles_up_to_its_cap(failures):
    """Each failure doubles the delay, give or take a fifth."""
    queue = Workqueue[str](base_seconds=1, cap_seconds=10)
    delay = [queue.retry("a") for _ in range(failures)][-1]
    assert 0.8 * min(10, 2 ** (failures - 1)) <= delay <= 1.2 * min(10, 2 ** (failures - 1))
    queue.forget_failures("a")
    assert queue.retry("a") <= 1.2


async def test_the_oldest_key_has_an_age():
    """Shown as a metric: a queue that nobody empties."""
    queue = Workqueue[str]()
    assert queue.oldest_seconds() == 0
    queue.add("a")
    await asyncio.sleep(0.02)
    assert queue.oldest_seconds() >= 0.01
