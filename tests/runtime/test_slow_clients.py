"""A thousand clients that dawdle are sent away, and the others do not notice."""

import asyncio
import time
from urllib.parse import urlsplit

import httpx
import pytest

from runtime.process import running

SLOW_CLIENTS = 1000
GONE_SECONDS = 15.0
BEGUN = (
    b"",
    b"POST /pre",
    b"POST /predict HTTP/1.1\r\nhost: x\r\nx-slow: ",
    b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 400\r\n\r\n{",
    b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n",  # answered, then idle for ever
)


async def _dawdle(host: str, port: int, begun: bytes) -> float:
    """Begin, then send a byte a second; return the seconds until the server ends it."""
    started = time.monotonic()
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(begun)
        reading = asyncio.ensure_future(_until_the_end(reader))
        while not reading.done():
            await asyncio.wait({reading}, timeout=1)
            if begun and b"health" not in begun and not reading.done():
                writer.write(b"a")
    except OSError:
        pass
    finally:
        writer.close()
    return time.monotonic() - started


async def _until_the_end(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(65536):
            pass
    except OSError:
        pass


async def _ask(
    client: httpx.AsyncClient, row: dict[str, float], stop: asyncio.Event
) -> list[float]:
    waits = []
    while not stop.is_set():
        started = time.monotonic()
        answer = await client.post("/predict", json=row)
        waits.append(time.monotonic() - started)
        assert answer.status_code == 200
        await asyncio.sleep(0.02)
    return waits


@pytest.mark.timeout(120)
async def test_a_thousand_slow_clients_are_ended_and_delay_nobody(row: dict[str, float]) -> None:
    """All gone in 15 s; who asks properly meanwhile is answered as fast as in quiet times."""
    with running() as process:
        address = urlsplit(process.wait_ready())
        host, port = address.hostname or "", address.port or 0
        async with httpx.AsyncClient(base_url=process.url()) as client:
            stop = asyncio.Event()
            honest = asyncio.create_task(_ask(client, row, stop))
            slow = [
                asyncio.create_task(_dawdle(host, port, BEGUN[i % len(BEGUN)]))
                for i in range(SLOW_CLIENTS)
            ]
            lasted = await asyncio.gather(*slow)
            stop.set()
            waits = sorted(await honest)
        assert max(lasted) < GONE_SECONDS
        assert len(waits) > 50
        # This process plays a thousand clients: what it waits for itself is counted too.
        assert waits[int(len(waits) * 0.99)] < 0.5
        assert not [line for line in process.stderr if "Traceback" in line]
