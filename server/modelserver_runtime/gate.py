"""The gate every request passes: its id, its limits, its metrics, one form for all errors."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter

import structlog

from modelserver_runtime.auth import Tokens
from modelserver_runtime.error_responses import internal_error, refusal
from modelserver_runtime.errors import (
    Forbidden,
    MethodNotAllowed,
    RateLimited,
    RequestError,
    Unauthorized,
    UnknownRoute,
)
from modelserver_runtime.exchange import (
    Answer,
    App,
    BodyRules,
    ClientGone,
    Exchange,
    Header,
    Message,
    Receive,
    Scope,
    Send,
)
from modelserver_runtime.limits import HeldBytes, RateLimit, Slots, client_address, client_of
from modelserver_runtime.metrics import Metrics
from modelserver_runtime.serving import INLINE_BYTES, Serving
from modelserver_runtime.settings import Settings

log = structlog.get_logger()

Handler = Callable[[Exchange], Awaitable[Answer]]
AtOnce = Callable[[Exchange], Answer | None]
Router = Callable[[str], "HotRoute | None"]

OPEN_PATHS = frozenset({"/health", "/ready", "/metrics", "/prometheus-metrics"})
"""Asked by the kubelet, Prometheus and the operator: no token, no rate limit."""

_REJECTIONS: Mapping[type[RequestError], str] = {
    Unauthorized: "unauthorized",
    Forbidden: "forbidden",
    RateLimited: "rate-limit",
}
"""Under which reason a refusal of the guard is counted."""

_SERVER_ERROR = 500
_CLIENT_ERROR = 400
_LOGGED_ONE_IN = 100
_PREFLIGHT_SECONDS = 600
_ALLOWED = (
    b"authorization, content-encoding, content-type, inference-header-content-length, x-request-id"
)
_EXPOSED = b"inference-header-content-length, retry-after, x-request-id"


@dataclass(frozen=True, slots=True)
class HotRoute:
    """
    A prediction route, answered without passing the framework.

    Args:
        endpoint: its label in the metrics.
        handle: makes the answer, or raises a RequestError.
        at_once: the same, where it needs no waiting; None where it does.
    """

    endpoint: str
    handle: Handler
    at_once: AtOnce | None = None


class Gate:
    """
    An ASGI application around all routes.

    Args:
        serving: the process's state.
        hot: finds the prediction route of a path; they take POST only.
        rest: the application that answers everything else.
    """

    def __init__(self, serving: Serving, hot: Router, rest: App) -> None:
        settings = serving.settings
        self._serving = serving
        self._metrics = serving.metrics
        self._hot = hot
        self._rest = rest
        self._guard = Guard(settings)
        self._metrics_port = settings.metrics_port
        self._requests = RequestLog(settings)
        # What is not answered at once is asked anew the long way, and must not be counted twice;
        # and an answer at once has no headers of its own.
        self._may_be_at_once = (
            settings.rate_limit_per_minute is None and not self._guard.has_origins
        )
        self._rules = BodyRules(
            settings.max_body_bytes,
            HeldBytes(settings.max_in_flight_bytes, _counter(self._metrics, "in-flight-bytes")),
            Slots(settings.max_concurrency, _counter(self._metrics, "concurrency")),
            settings.receive_timeout_seconds,
            settings.accept_gzip,
            min(INLINE_BYTES, settings.max_body_bytes),
            serving.beside,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        scope.setdefault("state", {})
        exchange = Exchange(scope, receive, self._rules)
        if self._metrics_port is not None and self._is_at_the_wrong_port(scope):
            lost = UnknownRoute("this port does not serve this route")
            await self._reply(exchange, refusal(lost, exchange.request_id), send)
            return
        if exchange.origin and self._guard.is_preflight(exchange):
            await self._reply(exchange, self._guard.preflight(), send)
            return
        route = self._hot(scope["path"])
        if route is None:
            await self._pass_on(exchange, receive, send)
            return
        await self._predict(route, exchange, send)

    def answer_at_once(self, scope: Scope) -> bool:
        """
        Answer a small prediction in the moment its request is whole, without a task for it.

        Returns:
            False, and everything is as it was, where it has to be answered by `__call__`.
        """
        route = self._hot(scope["path"])
        if route is None or route.at_once is None or not self._may_be_at_once:
            return False
        if self._serving.inline is None:  # or every request to a slow model would be read twice
            return False
        if self._metrics_port is not None and self._is_at_the_wrong_port(scope):
            return False
        started = perf_counter()
        exchange = Exchange(scope, _never, self._rules)
        answer = self._answer_at_once(route.at_once, exchange)
        cycle = exchange.cycle
        if (
            answer is None
            or answer.headers
            or cycle is None
            or not cycle.answer(
                answer.status, answer.content_type, exchange.request_id, answer.body
            )
        ):
            scope["state"]["cycle"] = cycle
            return False
        self._metrics.endpoints[route.endpoint].answered(answer.status, perf_counter() - started)
        self._requests.answered(exchange, answer.status)
        return True

    def _answer_at_once(self, at_once: AtOnce, exchange: Exchange) -> Answer | None:
        try:
            if self._guard.asks:
                self._guard.admit(exchange)
        except RequestError:
            return None  # counted, and told, the long way
        try:
            return at_once(exchange)
        except Exception as error:  # noqa: BLE001 - told now: asked again, it would fail again
            return _failure(exchange, error)

    def _is_at_the_wrong_port(self, scope: Scope) -> bool:
        at_metrics_port: bool = scope["server"][1] == self._metrics_port
        return at_metrics_port != (scope["path"] in OPEN_PATHS)

    async def _predict(self, route: HotRoute, exchange: Exchange, send: Send) -> None:
        started = perf_counter()
        metrics = self._metrics
        metrics.in_flight += 1
        try:
            answer = await self._answer(route, exchange)
            await self._reply(exchange, answer, send)
        except ClientGone:
            return
        finally:
            metrics.in_flight -= 1
            exchange.release()
        metrics.endpoints[route.endpoint].answered(answer.status, perf_counter() - started)

    async def _answer(self, route: HotRoute, exchange: Exchange) -> Answer:
        try:
            self._admit(exchange)
            return await route.handle(exchange)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - told
            return _failure(exchange, error)

    def _admit(self, exchange: Exchange) -> None:
        if exchange.scope["method"] != "POST":
            raise MethodNotAllowed("POST")
        if self._guard.asks:
            self._guard_admits(exchange)

    def _guard_admits(self, exchange: Exchange) -> None:
        try:
            self._guard.admit(exchange)
        except RequestError as error:
            self._metrics.rejected[_REJECTIONS[type(error)]] += 1
            raise

    async def _pass_on(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        """Let the framework answer, with the request's id in the answer."""
        if self._guard.asks and exchange.scope["path"] not in OPEN_PATHS:
            try:
                self._guard_admits(exchange)
            except RequestError as error:
                await self._reply(exchange, refusal(error, exchange.request_id), send)
                return
        exchange.scope["state"]["request_id"] = exchange.request_id
        extra = [(b"x-request-id", exchange.request_id)]
        if self._guard.has_origins:
            extra += self._guard.cors(exchange)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        await self._rest(exchange.scope, receive, send_with_id)
        self._requests.answered(exchange, status)

    async def _reply(self, exchange: Exchange, answer: Answer, send: Send) -> None:
        if exchange.cycle is not None and not answer.headers and not self._guard.has_origins:
            given = answer.status, answer.content_type, exchange.request_id, answer.body
            if exchange.cycle.answer(*given):
                self._requests.answered(exchange, answer.status)
                return
        body = answer.body
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", exchange.request_id),
            *answer.headers,
        ]
        if self._guard.has_origins:
            headers += self._guard.cors(exchange)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            # The client is still writing; one that was too slow is not waited for any longer.
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await exchange.discard_body()
            body = b""
        await send({"type": "http.response.body", "body": body})
        self._requests.answered(exchange, answer.status)


class Guard:
    """
    Who may ask, and how often; each check only where it was asked for.

    Attributes:
        asks: whether there is anything to check.
        has_origins: whether pages of other origins may ask.
    """

    def __init__(self, settings: Settings) -> None:
        file = settings.auth_tokens_file
        per_minute = settings.rate_limit_per_minute
        self._tokens = Tokens(file, time.monotonic) if file is not None else None
        self._rate = RateLimit(per_minute, time.monotonic) if per_minute is not None else None
        self._trusted = settings.trusted_proxies
        self._origins = frozenset(origin.encode() for origin in settings.cors_origins)
        self.asks = self._tokens is not None or self._rate is not None
        self.has_origins = bool(self._origins)

    def admit(self, exchange: Exchange) -> None:
        """
        Let the request in.

        Raises:
            Unauthorized, Forbidden, RateLimited.
        """
        client = b"" if self._tokens is None else self._token(self._tokens, exchange)
        if self._rate is not None:
            self._rate.admit(client or self._address(exchange))

    def _token(self, tokens: Tokens, exchange: Exchange) -> bytes:
        try:
            return tokens.admit(exchange.authorization)
        except (Unauthorized, Forbidden):
            # Whoever has no token is counted by address: guessing has its limit too.
            if self._rate is not None:
                self._rate.admit(self._address(exchange))
            raise

    def cors(self, exchange: Exchange) -> list[Header]:
        """Headers that let a page of an allowed origin read the answer."""
        headers = [(b"vary", b"origin")]  # also for others: a cache must not mix them up
        if exchange.origin in self._origins:
            headers += [
                (b"access-control-allow-origin", exchange.origin),
                (b"access-control-expose-headers", _EXPOSED),
            ]
        return headers

    def is_preflight(self, exchange: Exchange) -> bool:
        """A browser asks for leave before it sends the request proper."""
        return exchange.origin in self._origins and exchange.scope["method"] == "OPTIONS"

    @staticmethod
    def preflight() -> Answer:
        """The leave."""
        return Answer(
            200,
            b"",
            headers=(
                (b"access-control-allow-methods", b"GET, POST"),
                (b"access-control-allow-headers", _ALLOWED),
                (b"access-control-max-age", b"%d" % _PREFLIGHT_SECONDS),
            ),
        )

    def _address(self, exchange: Exchange) -> bytes:
        peer = (exchange.scope.get("client") or ("", 0))[0]
        return client_of(client_address(peer, exchange.forwarded_for, self._trusted))


class RequestLog:
    """Which answers are worth a line."""

    def __init__(self, settings: Settings) -> None:
        self._mode = settings.access_log
        self._client_errors = 0

    def answered(self, exchange: Exchange, status: int) -> None:
        """Log the answer: every 5xx and one of a hundred 4xx, unless all or none are asked for."""
        if self._mode == "all" or (status >= _CLIENT_ERROR and self._is_sampled(exchange, status)):
            log.info(
                "request",
                method=exchange.scope["method"],
                path=exchange.scope["path"],
                status=status,
                request_id=exchange.request_id.decode(),
            )

    def _is_sampled(self, exchange: Exchange, status: int) -> bool:
        # A probe that is told "not ready" is no failure.
        if self._mode == "off" or exchange.scope["path"] in OPEN_PATHS:
            return False
        if status >= _SERVER_ERROR:
            return True
        self._client_errors += 1
        return self._client_errors % _LOGGED_ONE_IN == 1


async def _never() -> Message:
    """Receive nothing: the request is whole."""
    raise ClientGone


def _failure(exchange: Exchange, error: Exception) -> Answer:
    """Tell what is wrong with a request; of anything else, an id in the log and never the text."""
    if isinstance(error, RequestError):
        return refusal(error, exchange.request_id)
    log.error("prediction failed", request_id=exchange.request_id.decode(), exc_info=error)
    return internal_error(exchange.request_id)


def _counter(metrics: Metrics, reason: str) -> Callable[[], None]:
    def count() -> None:
        metrics.rejected[reason] += 1

    return count
