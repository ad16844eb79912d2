"""The gate every request passes: its id, its limits, its metrics, and one form for whatever goes wrong."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

import structlog

from modelserver_runtime.error_responses import internal_error, refusal
from modelserver_runtime.errors import MethodNotAllowed, Overloaded, RequestError
from modelserver_runtime.exchange import (
    Answer,
    App,
    ClientGone,
    Exchange,
    Message,
    Receive,
    Scope,
    Send,
)
from modelserver_runtime.serving import Serving

log = structlog.get_logger()

Handler = Callable[[Exchange], Awaitable[Answer]]

_SERVER_ERROR = 500
_CLIENT_ERROR = 400
_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class HotRoute:
    """
    A prediction route, answered without passing the framework.

    Args:
        endpoint: its label in the metrics.
        handle: makes the answer, or raises a RequestError.
    """

    endpoint: str
    handle: Handler


class Gate:
    """
    An ASGI application around all routes.

    Args:
        serving: the process's state.
        hot: prediction routes by path; POST only.
        rest: the application that answers everything else.
    """

    def __init__(self, serving: Serving, hot: Mapping[str, HotRoute], rest: App) -> None:
        self._serving = serving
        self._metrics = serving.metrics
        self._hot = hot
        self._rest = rest
        self._max_body_bytes = serving.settings.max_body_bytes
        self._max_concurrency = serving.settings.max_concurrency
        self._access_log = serving.settings.access_log
        self._client_errors = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        route = self._hot.get(scope["path"])
        exchange = Exchange(scope, receive, max_body_bytes=self._max_body_bytes)
        if route is None:
            await self._pass_on(exchange, receive, send)
            return
        await self._predict(route, exchange, send)

    async def _predict(self, route: HotRoute, exchange: Exchange, send: Send) -> None:
        started = perf_counter()
        metrics = self._metrics
        metrics.in_flight += 1
        try:
            answer = await self._answer(route, exchange)
        except ClientGone:
            return
        finally:
            metrics.in_flight -= 1
        await _send(answer, exchange.request_id, send)
        metrics.endpoints[route.endpoint].answered(answer.status, perf_counter() - started)
        if answer.status >= _CLIENT_ERROR or self._access_log == "all":
            self._log(exchange, answer.status)

    async def _answer(self, route: HotRoute, exchange: Exchange) -> Answer:
        try:
            if exchange.scope["method"] != "POST":
                raise MethodNotAllowed("POST")
            if self._metrics.in_flight > self._max_concurrency:
                self._metrics.rejected["concurrency"] += 1
                raise Overloaded("too many requests are being answered; try again")
            return await route.handle(exchange)
        except ClientGone:
            raise
        except RequestError as error:
            return refusal(error, exchange.request_id)
        except Exception:
            # The last resort: the model itself may raise anything, and the client gets an id, never the text.
            log.exception("prediction failed", request_id=exchange.request_id.decode())
            return internal_error(exchange.request_id)

    async def _pass_on(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        """Let the framework answer, with the request's id in the answer."""
        exchange.scope["state"]["request_id"] = exchange.request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", exchange.request_id)]
                message = {**message, "headers": headers}
            await send(message)

        await self._rest(exchange.scope, receive, send_with_id)
        if status >= _CLIENT_ERROR or self._access_log == "all":
            self._log(exchange, status)

    def _log(self, exchange: Exchange, status: int) -> None:
        """Every 5xx and one of a hundred 4xx, unless all or none are asked for."""
        if self._access_log == "off":
            return
        if self._access_log == "sampled" and status < _SERVER_ERROR:
            self._client_errors += 1
            if self._client_errors % _SAMPLE != 1:
                return
        log.info(
            "request",
            method=exchange.scope["method"],
            path=exchange.scope["path"],
            status=status,
            request_id=exchange.request_id.decode(),
        )


async def _send(answer: Answer, request_id: bytes, send: Send) -> None:
    body = answer.body
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [
                (b"content-type", answer.content_type),
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", request_id),
                *answer.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
