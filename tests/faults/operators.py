"""The operator under test: as a real process, or as a task in the event loop of the test."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from kubernetes.aio import client, config

from apiserver import ApiServer
from modelserver_operator import __main__, settings

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Command:
    """
    How an operator is started.

    Args:
        identity: who it is in the Lease; the API server takes it for a user of that name.
        namespaces: what it watches; none named: everything.
        lease_namespace: where its Lease is.
        backoff_scale: multiplies every pause after an error; 1 is real life.
    """

    identity: str
    namespaces: tuple[str, ...] = ()
    lease_namespace: str = "default"
    backoff_scale: float = 1.0

    @property
    def arguments(self) -> list[str]:
        """The command line."""
        return [
            f"--watch-namespaces={','.join(self.namespaces)}",
            f"--lease-namespace={self.lease_namespace}",
            f"--identity={self.identity}",
            f"--backoff-scale={self.backoff_scale}",
            "--max-requests-per-second=1000",  # campaigns are busier than life
            "--port=0",
        ]


class Process:
    """
    `python -m modelserver_operator`, told nothing but its command line and its kubeconfig.

    Args:
        server: the API server it talks to.
        folder: for its kubeconfig and its log.
        command: what it is told.
    """

    def __init__(self, server: ApiServer, folder: Path, command: Command) -> None:
        self.identity = command.identity
        self.log = folder / f"{self.identity}.log"
        self._kubeconfig = server.kubeconfig(folder / f"{self.identity}.kubeconfig", self.identity)
        self._arguments = command.arguments
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, anew if it has run before."""
        environment = os.environ | {
            "KUBECONFIG": str(self._kubeconfig),
            "PYTHONPATH": str(ROOT / "operator"),
        }
        with self.log.open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "modelserver_operator", *self._arguments),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def ended(self) -> int | None:
        """Its exit status; None while it runs."""
        assert self._process is not None
        return self._process.returncode

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait for its end."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """End it for good, whatever state it is in."""
        if self._process is not None:
            self.send(signal.SIGKILL)
            await self.wait()


@contextlib.asynccontextmanager
async def running(process: Process) -> AsyncIterator[Process]:
    """Run *process* while the block does."""
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


class Task:
    """
    The whole operator, watches and Lease included, in the event loop of the test.

    Args:
        server: the API server it talks to.
        folder: for its kubeconfig.
        command: what it is told.
    """

    def __init__(self, server: ApiServer, folder: Path, command: Command) -> None:
        self._kubeconfig = server.kubeconfig(
            folder / f"{command.identity}.kubeconfig", command.identity
        )
        self._options = settings.parse(command.arguments, {})
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, anew if it has run before."""
        configuration = client.Configuration()
        await config.load_kube_config(str(self._kubeconfig), client_configuration=configuration)
        self._task = asyncio.create_task(
            __main__.run(self._options, configuration, asyncio.Event())
        )

    @property
    def ended(self) -> bool:
        """Whether it has come to an end by itself."""
        assert self._task is not None
        return self._task.done()

    def cancel(self) -> None:
        """Have it stop where it stands."""
        assert self._task is not None
        self._task.cancel()

    async def stop(self) -> None:
        """Cancel it and wait for its end."""
        if self._task is not None:
            self.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Have operators that run as tasks log into a file."""
    before = structlog.get_config()
    with path.open("a") as file:
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.PrintLoggerFactory(file),
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
        try:
            yield
        finally:
            structlog.configure(**before)
