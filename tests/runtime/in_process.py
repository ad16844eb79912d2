"""The application in this process, asked over ASGI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from modelserver_runtime.app import create_app
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
