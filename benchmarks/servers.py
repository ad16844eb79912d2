"""Starts what is measured, each as a process of its own on a CPU of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

HERE = Path(__file__).resolve().parent
START_SECONDS = 120.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.02  # our port opens before the model is loaded: polling takes its time


@dataclass(frozen=True)
class Program:
    """
    A server that can be started.

    Args:
        name: in the table.
        command: with the port as `{port}`.
        ready: path that answers 200 once predictions do.
    """

    name: str
    command: tuple[str, ...]
    ready: str
    env: Mapping[str, str] = field(default_factory=dict)


def _uvicorn(app: str) -> tuple[str, ...]:
    options = ("--no-access-log", "--log-level", "warning", "--app-dir", str(HERE))
    return (sys.executable, "-m", "uvicorn", app, "--port", "{port}", *options)


def hello() -> Program:
    """Uvicorn with an application that does nothing."""
    return Program("bare uvicorn", _uvicorn("hello:app"), "/")


def textbook(artifact: Path) -> Program:
    """The tutorial's application with the artifact's joblib file."""
    # scikit-learn warns of the threads that FastAPI calls it in, at every start.
    env = {"MODEL_PATH": str(artifact / "model.joblib"), "PYTHONWARNINGS": "ignore"}
    return Program("textbook", _uvicorn("textbook:app"), "/health", env)


def runtime(artifact: Path) -> Program:
    """Our runtime as it runs in a pod: limits, metrics and request ids on."""
    env = {
        "PYTHONPATH": str(HERE.parent / "server"),
        "MODELSERVER_MODEL_PATH": str(artifact),
        "MODELSERVER_PORT": "{port}",
        "MODELSERVER_LOG_LEVEL": "WARNING",
    }
    return Program("runtime", (sys.executable, "-m", "modelserver_runtime"), "/ready", env)


class Server:
    """A started program; a context manager that ends it."""

    def __init__(self, program: Program, cpu: int | None) -> None:
        self.program = program
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MODELSERVER_")}
        env = {k: v.format(port=port) for k, v in program.env.items()}
        pin = ("taskset", "-c", str(cpu)) if cpu is not None else ()
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [*pin, *(part.format(port=port) for part in program.command)],
            env=clean | env,
            stdout=subprocess.DEVNULL,
        )
        try:
            self._wait_ready()
        except BaseException:
            self._end()
            raise
        self.cold_start_seconds = time.perf_counter() - started
        self.cold_start_cpu_seconds = self.cpu_seconds()

    def _wait_ready(self) -> None:
        ends = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > ends:
                raise SystemExit(f"{self.program.name} did not start")
            time.sleep(POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self.program.ready, timeout=5) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004 - OK
        except (urllib.error.URLError, OSError):
            return False

    def post(self, path: str, body: bytes) -> bytes | None:
        """The answer's body; None for another status than 200."""
        request = urllib.request.Request(
            self.url + path, body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError:
            return None

    def resident_mb(self) -> float:
        """Memory the process has resident now."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu_seconds(self) -> float:
        """CPU time it has used, all threads together."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
