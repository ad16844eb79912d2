"""uvicorn's Server with a drain that loses no request."""

import asyncio
import functools
import os
import signal
import socket
import sys
import time
from types import FrameType
from typing import Any, cast

import structlog
import uvicorn

from modelserver_runtime.app import RuntimeApp
from modelserver_runtime.protocol import (
    FLUSH_SECONDS,
    Connections,
    RuntimeProtocol,
    enforce_deadlines,
)
from modelserver_runtime.settings import Settings
from modelserver_runtime.tls import Certificate

log = structlog.get_logger()

EXIT_START = 3
"""As uvicorn ends where a port cannot be opened."""


class Server(uvicorn.Server):
    """
    Serve *app* until SIGTERM, then drain.

    uvicorn closes its listener and idle connections at once, which loses the request a client is
    just writing. Here the listener and all routes go on answering for `drain_seconds`, each answer
    the last one of its connection, while /ready says no; then the port closes and what runs is
    finished. A second signal, or Ctrl-C, ends the drain.
    """

    def __init__(self, app: RuntimeApp) -> None:
        settings = app.serving.settings
        self._serving = app.serving
        self._shared = Connections(settings, app.serving.metrics, app.answer_at_once)
        self._certificate = _certificate(settings)
        self._drain_ends: float | None = None
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=cast("Any", functools.partial(RuntimeProtocol, shared=self._shared)),
                ws="none",
                loop="uvloop",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=int(settings.request_timeout_seconds) + 1,
            )
        )
        self.config.load()
        if self._certificate is not None:
            self.config.ssl = self._certificate.context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the ports, and say where: a person on a terminal looks for the docs."""
        del sockets
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(EXIT_START)
        self.servers = []
        settings = self._serving.settings
        await self._open(settings.port)
        scheme = "http" if self._certificate is None else "https"
        for host, port in self.addresses():
            url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
            log.info("listening", url=url, docs=f"{url}/docs", pid=os.getpid())
        if settings.metrics_port is not None:
            await self._open(settings.metrics_port)
            log.info("listening for metrics and health", port=settings.metrics_port)
        self.started = True

    async def _open(self, port: int) -> None:
        """
        Open a port; the gate tells by it who asks for what.

        Not as uvicorn does: a client that never finishes its handshake would have a minute, and is
        no connection yet that a deadline of ours could end.
        """
        config = self.config

        def protocol() -> asyncio.Protocol:
            state = {"server_state": self.server_state, "app_state": self.lifespan.state}
            made = cast("Any", config.http_protocol_class)(config=config, **state)
            return cast("asyncio.Protocol", made)

        secure = config.ssl is not None
        seconds = self._serving.settings.receive_timeout_seconds
        try:
            server = await asyncio.get_running_loop().create_server(
                protocol,
                config.host,
                port,
                backlog=config.backlog,
                ssl=config.ssl,
                ssl_handshake_timeout=seconds if secure else None,
                ssl_shutdown_timeout=FLUSH_SECONDS if secure else None,
            )
        except OSError as error:
            log.error("port cannot be opened", port=port, problem=error.strerror)  # noqa: TRY400
            await self.lifespan.shutdown()
            sys.exit(EXIT_START)
        self.servers.append(server)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; the signal is not raised again, so that the process ends with 0."""
        del frame
        if sig == signal.SIGINT or self._shared.draining or not self.started:
            self.should_exit = True
            return
        self._shared.draining = True
        self._serving.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: deadlines of connections, and is the drain over?"""
        now = asyncio.get_running_loop().time()
        enforce_deadlines(self.server_state.connections, now)
        if self._certificate is not None:
            self._certificate.reload_when_changed()
        if self._shared.draining:
            self._drain(now)
        return await super().on_tick(counter)

    def _drain(self, now: float) -> None:
        if self._drain_ends is None:
            seconds = self._serving.settings.drain_seconds
            self._drain_ends = now + seconds
            for connection in self.server_state.connections:
                cast("RuntimeProtocol", connection).answer_no_more()
            log.info("draining", seconds=seconds)
        if now >= self._drain_ends:
            self.should_exit = True

    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every listening socket, once started."""
        return [s.getsockname()[:2] for server in self.servers for s in server.sockets]


def _certificate(settings: Settings) -> Certificate | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return Certificate(settings.tls_cert_file, settings.tls_key_file, time.monotonic)
