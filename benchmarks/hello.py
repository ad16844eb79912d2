"""The least an ASGI application can do: what uvicorn alone is capable of."""

from typing import Any

BODY = b'{"hello":"world"}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Say hello to every HTTP request."""
    del receive
    if scope["type"] != "http":
        return
    await send(START)
    await send({"type": "http.response.body", "body": BODY})
