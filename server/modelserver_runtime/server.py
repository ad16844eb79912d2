"""uvicorn's Server with a drain that loses no request."""

import signal
import time
from types import FrameType

import structlog
import uvicorn
from uvicorn.server import ServerState

from modelserver_runtime.app import RuntimeApp
from modelserver_runtime.protocol import RuntimeProtocol

log = structlog.get_logger()

KEEP_ALIVE_SECONDS = 5


class DrainableState(ServerState):
    """What all connections share, with the one thing they must know about the process."""

    draining = False


class Server(uvicorn.Server):
    """
    Serve *app* until SIGTERM, then drain.

    uvicorn closes its listener and idle connections at once, which loses the request a client is just writing. Here the
    listener and all routes go on answering for `drain_seconds`, each answer the last one of its connection, while
    /ready says no; then the port closes and what runs is finished. A second signal, or Ctrl-C, ends the drain.
    """

    def __init__(self, app: RuntimeApp) -> None:
        settings = app.serving.settings
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=RuntimeProtocol,
                ws="none",
                loop="uvloop",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=int(settings.request_timeout_seconds) + 1,
            )
        )
        self.server_state = DrainableState()
        self._serving = app.serving
        self._drain_ends: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; the signal is not raised again afterwards, so that the process ends with 0."""
        del frame
        if sig == signal.SIGINT or self._drain_ends is not None or not self.started:
            self.should_exit = True
            return
        seconds = self._serving.settings.drain_seconds
        self._serving.draining = True
        self.server_state.draining = True
        for connection in self.server_state.connections:
            cycle = connection.cycle
            if cycle is not None and not cycle.response_started:
                cycle.keep_alive = False
        self._drain_ends = time.monotonic() + seconds
        log.info("draining", seconds=seconds)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is the drain over?"""
        if self._drain_ends is not None and time.monotonic() >= self._drain_ends:
            self.should_exit = True
        return await super().on_tick(counter)

    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every listening socket, once started."""
        return [socket.getsockname()[:2] for server in self.servers for socket in server.sockets]
