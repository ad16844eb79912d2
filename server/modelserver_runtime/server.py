"""uvicorn's Server with a drain that loses no request."""

import asyncio
import functools
import os
import signal
import socket
from types import FrameType
from typing import Any, cast

import structlog
import uvicorn

from modelserver_runtime.app import RuntimeApp
from modelserver_runtime.protocol import Connections, RuntimeProtocol, enforce_deadlines

log = structlog.get_logger()


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
        self._shared = Connections(settings, app.serving.metrics)
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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, and say where; a person on a terminal wants to know where the docs are."""
        await super().startup(sockets)
        for host, port in self.addresses():
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            log.info("listening", url=url, docs=f"{url}/docs", pid=os.getpid())

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
