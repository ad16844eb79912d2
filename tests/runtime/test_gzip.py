"""Compressed bodies, where they are taken."""

import asyncio
import gzip

import orjson
import pytest

from modelserver_runtime.settings import Settings
from runtime.in_process import asked

PACKED = {"content-encoding": "gzip"}
MAX_BYTES = 64 * 1024 * 1024
INLINE_BYTES = 65536
SOME = 10
"""Requests answered in the tenth of a second that inflating takes: without it, one or two."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings that take compressed bodies, and large ones."""
    limits = {"max_body_bytes": MAX_BYTES, "max_in_flight_bytes": 2 * MAX_BYTES}
    return settings.model_copy(update={"accept_gzip": True, **limits})


@pytest.mark.parametrize("count", [300, INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 500_000])
async def test_a_compressed_body_is_answered_as_the_body(
    settings: Settings, row: dict[str, float], count: int
) -> None:
    """Whatever its length: on the event loop and beside it."""
    body = orjson.dumps(row).ljust(count)
    async with asked(settings) as client:
        plain = await client.post("/predict", content=body)
        for packed in (gzip.compress(body), gzip.compress(body, 0)):
            answer = await client.post("/predict", content=packed, headers=PACKED)
            assert answer.status_code == plain.status_code == 200
            assert answer.json()["prediction"] == plain.json()["prediction"]
            for damaged in (packed[:-9], packed + b"x", b"x" + packed):
                answer = await client.post("/predict", content=damaged, headers=PACKED)
                assert answer.status_code == 400


@pytest.mark.parametrize(
    ("count", "status"),
    [pytest.param(MAX_BYTES, 400, id="no JSON"), pytest.param(MAX_BYTES + 1, 413, id="too long")],
)
async def test_inflating_keeps_nobody_waiting(settings: Settings, count: int, status: int) -> None:
    """A body of a few kilobytes may become 64 MiB: the event loop goes on meanwhile."""
    packed = gzip.compress(bytes(count))
    async with asked(settings) as client:
        asking = asyncio.create_task(client.post("/predict", content=packed, headers=PACKED))
        others = 0
        while not asking.done():
            assert (await client.get("/health")).status_code == 200
            others += 1
            await asyncio.sleep(0.001)
        assert (await asking).status_code == status
    assert others >= SOME
