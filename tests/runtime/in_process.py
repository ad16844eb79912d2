"""The application in this process, asked over ASGI or over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from modelserver_runtime import loading
from modelserver_runtime.app import create_app
from modelserver_runtime.model import ServedModel
from modelserver_runtime.server import Server
from modelserver_runtime.settings import Settings


@asynccontextmanager
async def asked(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application that *settings* describe, its model loaded."""
    app = create_app(settings)
    await app.serving.start()
    assert app.serving.failure is None, app.serving.failure
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://runtime") as client:
        yield client


@asynccontextmanager
async def listening(
    settings: Settings, *, load: Callable[[Settings], ServedModel] = loading.load
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the real server on a port of this machine, its model loaded."""
    server = Server(create_app(settings, load=load))
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not running.done()
            await asyncio.sleep(0.005)
        [(host, port)] = server.addresses()
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
            while (answer := await client.get("/ready")).status_code != httpx.codes.OK:
                assert answer.json()["reason"] == "Loading", answer.text
                await asyncio.sleep(0.005)
            yield client
    finally:
        server.should_exit = True
        await running
