"""Each key waits once, none runs twice at a time, failures back off."""

import asyncio

import pytest

from modelserver_operator import workqueue
from modelserver_operator.workqueue import Workqueue


async def soon(queue: Workqueue[str]) -> str | None:
    """Take a key if one is ready."""
    try:
        return await asyncio.wait_for(queue.get(), 0.1)
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
    queue = Workqueue[str](quiet_seconds=0)
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


async def test_what_has_failed_for_long_is_tried_less_often(monkeypatch):
    """After ten minutes once a minute, and never less: what is in the way may go at any time."""
    now = 1000.0
    monkeypatch.setattr(workqueue, "_now", lambda: now)
    queue = Workqueue[str](base_seconds=0.1, cap_seconds=6, longest_seconds=60)
    delays = {}
    for now in (*range(1000, 1600), *range(1600, 5000, 60)):
        delays[now] = queue.retry("a")
    assert max(delays[at] for at in range(1000, 1060)) <= 6 * 1.2
    assert 30 * 0.8 <= delays[1300] <= 30 * 1.2
    assert 60 * 0.8 <= delays[4960] <= 60 * 1.2


async def test_what_needs_a_person_is_tried_seldom():
    """The pause doubles past the cap, to minutes."""
    queue = Workqueue[str](base_seconds=1, cap_seconds=6, seldom_seconds=240)
    delays = [queue.retry("a", seldom=True) for _ in range(12)]
    assert delays[0] <= 1.2
    assert 64 * 0.8 <= delays[6] <= 64 * 1.2
    assert 240 * 0.8 <= delays[-1] <= 240 * 1.2


async def runs_of(queue: Workqueue[str], seconds: float) -> list[float]:
    """Work for some time; return when each run started."""
    loop = asyncio.get_running_loop()
    started, began = [], loop.time()
    while (left := seconds - (loop.time() - began)) > 0:
        try:
            key = await asyncio.wait_for(queue.get(), left)
        except TimeoutError:
            break
        started.append(loop.time() - began)
        await asyncio.sleep(0.01)
        queue.done(key)
    return started


async def add_often(queue: Workqueue[str], times: int, pause: float) -> None:
    """Add one key again and again."""
    for _ in range(times):
        queue.add("a")
        await asyncio.sleep(pause)


async def test_a_hundred_changes_in_a_second_are_two_runs():
    """The first at once, the second when it has become quiet."""
    queue = Workqueue[str]()
    working = asyncio.create_task(runs_of(queue, 2))
    await add_often(queue, 100, 0.01)
    first, second = await working
    assert first < 0.1
    assert second > 1


async def test_changes_without_end_do_not_starve_a_key():
    """It runs once in a while, however busy."""
    queue = Workqueue[str](quiet_seconds=0.1, impatient_seconds=0.3)
    working = asyncio.create_task(runs_of(queue, 1.4))
    await add_often(queue, 140, 0.01)
    assert 4 <= len(await working) <= 6


async def test_a_change_after_a_rest_runs_at_once():
    """Healing does not wait for quiet."""
    queue = Workqueue[str](quiet_seconds=0.05)
    queue.add("a")
    queue.done(await queue.get())
    await asyncio.sleep(0.1)
    queue.add("a")
    assert await asyncio.wait_for(queue.get(), 0.01) == "a"


async def test_a_cleared_queue_gives_nothing_out():
    """What a standby was told while it led is no work for it."""
    queue = Workqueue[str]()
    queue.add("a")
    queue.add_after("b", 0.01)
    queue.clear()
    assert (len(queue), queue.oldest_seconds()) == (0, 0)
    assert await soon(queue) is None
    queue.add("a")
    assert await soon(queue) == "a"


async def test_the_slowest_run_has_an_age():
    """A run that never ends is seen."""
    queue = Workqueue[str]()
    assert queue.slowest_seconds() == 0
    queue.add("a")
    await queue.get()
    await asyncio.sleep(0.02)
    assert queue.slowest_seconds() >= 0.01
    queue.done("a")
    assert queue.slowest_seconds() == 0


async def test_the_oldest_key_has_an_age():
    """Shown as a metric: a queue that nobody empties."""
    queue = Workqueue[str]()
    assert queue.oldest_seconds() == 0
    queue.add("a")
    await asyncio.sleep(0.02)
    assert queue.oldest_seconds() >= 0.01
