"""So many requests a second, more only after a rest."""

import asyncio

from modelserver_operator.ratelimit import TokenBucket


async def test_a_burst_goes_at_once_and_the_rest_in_turn():
    """Five at once, then one each twentieth of a second, first come first served."""
    bucket = TokenBucket(per_second=20, burst=5)
    loop = asyncio.get_running_loop()
    began, served = loop.time(), []

    async def take(number: int) -> None:
        await bucket.take()
        served.append((number, loop.time() - began))

    await asyncio.gather(*(take(number) for number in range(10)))
    assert [number for number, _ in served] == list(range(10))
    assert served[4][1] < 0.05
    assert 0.24 <= served[-1][1] <= 0.4


async def test_a_rest_is_worth_no_more_than_a_burst():
    """A quiet night does not pay for a flood in the morning."""
    bucket = TokenBucket(per_second=1000, burst=2)
    await bucket.take()
    await asyncio.sleep(0.1)
    waits = [await bucket.take() for _ in range(4)]
    assert waits[:2] == [0, 0]
    assert waits[2] > 0
