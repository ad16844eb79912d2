"""uvicorn's HTTP protocol with what it lacks: error bodies, limits, connections that end."""

import asyncio
import random
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from modelserver_runtime.cycle import Cycle
from modelserver_runtime.error_responses import refusal
from modelserver_runtime.errors import (
    BodyTooSlow,
    HeadersTooLarge,
    InvalidRequest,
    Overloaded,
    RequestError,
    UrlTooLong,
)
from modelserver_runtime.exchange import valid_request_id
from modelserver_runtime.metrics import Metrics
from modelserver_runtime.settings import Settings

HEALTH_PATHS = frozenset({b"/health", b"/ready", b"/metrics", b"/prometheus-metrics"})

RESERVED_CONNECTIONS = 64
"""Beyond `max_connections`: the kubelet and Prometheus must reach a server that is full."""

FLUSH_SECONDS = 5.0
"""How long a client may take to read the rest of its answer once its connection is closed."""

MAX_HEADERS = 128


@dataclass
class Connections:
    """
    What all connections of one process share.

    Args:
        answer_at_once: answers a request that is whole, if it can be done without waiting.
    """

    settings: Settings
    metrics: Metrics
    answer_at_once: Callable[[Any], bool]
    draining: bool = False


class RuntimeProtocol(HttpToolsProtocol):
    """
    One connection.

    uvicorn limits neither the size of headers nor the time they take, keeps connections for ever
    and answers in text/plain what is no HTTP. Deadlines are a number on the connection that
    `enforce_deadline` looks at a few times a second: no timer is made and cancelled per request.
    """

    def __init__(self, *args: Any, shared: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shared = shared
        settings = shared.settings
        self._max_header_bytes = settings.max_header_bytes
        self._max_url_bytes = settings.max_url_bytes
        self._max_body_bytes = settings.max_body_bytes
        self._receive_seconds = settings.receive_timeout_seconds
        self._requests_left = _spread(settings.requests_per_connection)
        self._deadline: float | None = None
        self._read_deadline: float | None = None
        self._receiving = False
        self._in_headers = False
        self._began_here = False
        self._closing = False
        self._header_bytes = 0
        self._undelivered_bytes = 0
        self._over_limit = False
        self._refusal: RequestError | None = None
        self._answering: Any = None
        self._unstarted: Cycle | None = None

    def connection_made(self, transport: Any) -> None:
        """One over the limit gets health and metrics only; one over the reserve, nothing."""
        super().connection_made(transport)
        count = len(self.connections)
        limit = self._shared.settings.max_connections
        self._over_limit = count > limit
        if count > limit + RESERVED_CONNECTIONS:
            self._shared.metrics.rejected["connections"] += 1
            transport.abort()
            return
        self._deadline = self.loop.time() + self._receive_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell also the request that pipelined ones wait for: it would write to what is closed."""
        if self._answering is not None:
            self._answering.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then look at what it made of the bytes."""
        if self._closing:
            return
        cycle = self.cycle if self._receiving and not self._in_headers else None
        had_body = 0 if cycle is None else len(cycle.body)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # answered as the ordinary request it also is; what follows is not HTTP
        except httptools.HttpParserError:
            self._unstarted = None
            self._refuse(self._refusal or InvalidRequest("this is not an HTTP/1.1 request"))
            return
        if self._unstarted is not None:
            self._start(self._unstarted)
        if not self._receiving:
            return
        if self._in_headers:
            # The parser hands out whole headers: one that never ends shows only here.
            # The chunk it began in may hold the end of an earlier request: it is not counted.
            if self._began_here:
                self._began_here = False
            else:
                self._count_undelivered(len(data), self._max_header_bytes + self._max_url_bytes)
        elif cycle is self.cycle:
            self._look_at_framing(len(data), delivered=len(self.cycle.body) > had_body)
        if self._deadline is None:
            self._deadline = self.loop.time() + self._receive_seconds

    def _look_at_framing(self, count: int, *, delivered: bool) -> None:
        """End a body whose framing has no end: the parser keeps a trailer until it is whole."""
        if self.cycle.response_complete:
            # It is read only to be forgotten, so that the client gets to its answer.
            self._undelivered_bytes += count
            if self._undelivered_bytes > self._max_body_bytes:
                self._close(self.loop.time())
        elif delivered:
            self._undelivered_bytes = 0
        else:
            self._count_undelivered(count, self._max_header_bytes)

    def _count_undelivered(self, count: int, limit: int) -> None:
        self._undelivered_bytes += count
        if self._undelivered_bytes > limit:
            self._refuse(HeadersTooLarge(self._max_header_bytes))

    # Called by the parser. What is raised here ends the parsing: `_refusal` says with what answer.
    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._receiving = True
        self._in_headers = True
        self._began_here = True
        self._header_bytes = 0
        self._undelivered_bytes = 0
        self._deadline = None

    def on_url(self, url: bytes) -> None:
        """Refuse a URL that is too long before there are headers to read."""
        self.url += url
        if len(self.url) > self._max_url_bytes:
            self._refusal = UrlTooLong(self._max_url_bytes)
            raise self._refusal

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count before keeping; a trailer, which no gate has seen, is counted and forgotten."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > self._max_header_bytes or len(self.headers) >= MAX_HEADERS:
            self._refusal = HeadersTooLarge(self._max_header_bytes)
            raise self._refusal
        if not self._in_headers:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The request may be answered, unless this connection is one too many."""
        self._in_headers = False
        self._deadline = None
        if self._over_limit and self.url.partition(b"?")[0] not in HEALTH_PATHS:
            self._shared.metrics.rejected["connections"] += 1
            self._refusal = Overloaded("too many connections are open; try again")
            raise self._refusal
        self._requests_left -= 1
        earlier = self.cycle
        cycle = self._begin_cycle()
        if earlier is None or earlier.response_complete:
            self._unstarted = cycle  # its body may be in the same chunk
        else:  # pipelined: answers go out in the order of the requests
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
            if len(self.pipeline) == 1:
                self._answering = earlier  # the others wait for it

    def _begin_cycle(self) -> Cycle:
        """Take uvicorn's own steps, but for what we never switch on."""
        scope, parser = self.scope, self.parser
        version = parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["raw_path"], scope["path"], scope["query_string"] = _target(self.url)
        may_stay = not self._shared.draining and self._requests_left != 0
        self.cycle = cycle = Cycle(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            self.expect_100_continue,
            may_stay and version != "1.0" and parser.should_keep_alive(),
            self.on_response_complete,
        )
        scope["state"]["cycle"] = cycle
        return cycle

    def on_message_complete(self) -> None:
        """The whole request is here: a route need not wait for its body."""
        self._receiving = False
        self._deadline = None
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.more_body = False
        if (
            cycle is self._unstarted
            and not self._closing
            and self._shared.answer_at_once(cycle.scope)
        ):
            self._unstarted = None
            return
        cycle.message_event.set()

    def _start(self, cycle: Cycle) -> None:
        """Give a request its task, unless an earlier answer was the last on this connection."""
        self._unstarted = None
        if not self._closing:
            self._start_asgi_task(cycle, self.app)

    def pause_writing(self) -> None:
        """Too much of the answers is unread."""
        super().pause_writing()
        self._read_deadline = self.loop.time() + self._receive_seconds

    def resume_writing(self) -> None:
        """It has been read, or the connection is gone."""
        super().resume_writing()
        self._read_deadline = None

    def on_response_complete(self) -> None:
        """Idle from now on; the deadline replaces uvicorn's keep-alive timer."""
        self.server_state.total_requests += 1
        self._deadline = self.loop.time() + self._shared.settings.keep_alive_seconds
        if self.transport.is_closing():
            self._closing = True
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._deadline = None
            self._answering, app = self.pipeline.pop()
            self._start_asgi_task(self._answering, app)

    def enforce_deadline(self, now: float) -> None:
        """End a connection whose time is up: idle, too slow to send, or too slow to read."""
        if self._read_deadline is not None and now >= self._read_deadline:
            self.transport.abort()
            return
        if self._deadline is None or now < self._deadline:
            return
        if self._closing or self.transport.is_closing():
            self.transport.abort()
        elif self._receiving and self._in_headers:
            self._refuse(BodyTooSlow("the request's headers did not arrive in time"))
        elif self.cycle is not None and not self.cycle.response_complete:
            # The route waits for the body and answers 408 itself; it has had its chance.
            self._deadline = now + FLUSH_SECONDS
            self._closing = True
        else:
            self._close(now)

    def answer_no_more(self) -> None:
        """Make the answer that is being computed the last one on this connection."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def _close(self, now: float) -> None:
        self._closing = True
        self._deadline = now + FLUSH_SECONDS
        self.transport.close()

    def _refuse(self, error: RequestError) -> None:
        """Answer what cannot become a request, unless an earlier answer is still being written."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            if self.cycle is not None and not self.cycle.response_complete:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.transport.write(self._refusal_bytes(error))
        self._close(self.loop.time())

    def _refusal_bytes(self, error: RequestError) -> bytes:
        given = dict(self.headers).get(b"x-request-id") if self._receiving else None
        request_id = valid_request_id(given)
        answer = refusal(error, request_id)
        headers = {
            b"content-type": answer.content_type,
            b"content-length": b"%d" % len(answer.body),
            b"x-request-id": request_id,
            **dict(answer.headers),
            b"connection": b"close",
        }
        lines = [b"%b: %b\r\n" % header for header in headers.items()]
        return b"".join([STATUS_LINE[answer.status], *lines, b"\r\n", answer.body])


def _target(url: bytes) -> tuple[bytes, str, bytes]:
    """Path as sent, path, and query of a request's target."""
    if _PLAIN_PATH(url):
        return url, url.decode("ascii"), b""
    parsed = httptools.parse_url(url)
    return parsed.path, urllib.parse.unquote(parsed.path.decode("ascii")), parsed.query or b""


_PLAIN_PATH = re.compile(rb"/[A-Za-z0-9/_.:-]*").fullmatch


def enforce_deadlines(connections: Any, now: float) -> None:
    """Look at every connection once."""
    for connection in list(connections):
        cast("RuntimeProtocol", connection).enforce_deadline(now)


def _spread(requests: int) -> int:
    """Requests give or take a tenth, so that connections opened together do not end together."""
    if requests == 0:
        return -1
    tenth = requests // 10
    return max(1, requests + random.randint(-tenth, tenth))  # noqa: S311 - spreads load, no secret
