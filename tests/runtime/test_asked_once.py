"""A model is asked once for a request, also when it cannot answer it."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from modelserver_runtime import loading
from modelserver_runtime.engines import Engine, Outcome, Rows, require_float32_range
from modelserver_runtime.model import ServedModel
from modelserver_runtime.settings import Settings
from runtime.in_process import listening

BREAKS_AT = 1234.5
TOO_LARGE = 1e300


class Counted:
    """An engine that counts how often it is asked, computes in float32, and breaks at one value."""

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self.times = 0
        self._engine = engine

    def run(self, rows: Rows) -> Outcome:
        """Answer as the engine does."""
        self.times += 1
        if (rows == BREAKS_AT).any():
            raise ZeroDivisionError("not for clients")
        require_float32_range(rows)
        return self._engine.run(rows)


class Counting:
    """Loads the model as ever, with its engine counted."""

    engine: Counted

    def load(self, settings: Settings) -> ServedModel:
        """The model."""
        model = loading.load(settings)
        self.engine = Counted(model.engine)
        return replace(model, engine=self.engine)


async def post(client: httpx.AsyncClient, body: bytes, *, cut: int) -> tuple[int, Any]:
    """Send a request, *cut* in two; return what comes back."""
    url = client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    lines = [b"POST /predict HTTP/1.1", b"x-request-id: mine", b"connection: close"]
    request = b"\r\n".join([*lines, b"content-length: %d" % len(body), b"", body])
    for part in (request[:cut], request[cut:]):
        writer.write(part)
        await asyncio.sleep(0.05 if part else 0)
    received = await reader.read()
    writer.close()
    head, _, content = received.partition(b"\r\n\r\n")
    assert b"x-request-id: mine" in head
    return int(head.split()[1]), orjson.loads(content)


@pytest.mark.parametrize(
    ("value", "status", "text"),
    [
        pytest.param(TOO_LARGE, 400, "Invalid request", id="beyond what the model computes in"),
        pytest.param(BREAKS_AT, 500, "Internal server error", id="the model raises"),
    ],
)
async def test_at_once_or_by_a_task_the_model_is_asked_once(
    settings: Settings, row: dict[str, float], value: float, status: int, text: str
) -> None:
    """The client gets the same either way, and each request is counted once."""
    counting = Counting()
    body = orjson.dumps({**row, next(iter(row)): value})
    async with listening(settings.model_copy(update={"port": 0}), load=counting.load) as client:
        before = counting.engine.times
        told = [await post(client, body, cut=cut) for cut in (0, -5)]
        assert counting.engine.times - before == len(told)
        metrics = (await client.get("/metrics")).text
    for given, content in told:
        content.pop("timestamp")
        assert (given, content["error"]) == (status, text)
        assert "not for clients" not in content["details"]
    assert told[0] == told[1]
    assert f'prediction_requests_total{{endpoint="predict",status="{status}"}} 2.0' in metrics
    assert "prediction_batch_rows_count 2.0" in metrics
