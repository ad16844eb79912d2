"""Other people's programs that tests run; `scripts/test-programs` fetches them."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from runtime.process import ROOT

START_SECONDS = 240.0


@cache
def program(name: str) -> str:
    """Path of CHROMIUM, CHROMEDRIVER, PROMETHEUS, S3_SERVER or MLFLOW; fetched if need be."""
    done = subprocess.run(
        [ROOT / "scripts" / "test-programs"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"scripts/test-programs says: {done.stderr}"
    return dict(line.split("=", 1) for line in done.stdout.splitlines())[name]


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def started(
    command: Sequence[str], log: Path, answers: Callable[[], bool], **environment: str
) -> Iterator[None]:
    """Run *command* until the block ends; the block begins once *answers* says yes."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=os.environ | environment,
            start_new_session=True,
        )
    try:
        ends = time.monotonic() + START_SECONDS
        while not answers():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def mlflow_environment(port: int, **more: str) -> dict[str, str]:
    """The container's, with MLflow elsewhere than the runtime's own programs; it is not the API."""
    folder = str(Path(program("MLFLOW")).parent)
    return {
        "PATH": f"{os.environ['PATH']}:{folder}",
        "PYTHONPATH": str(ROOT / "server"),
        "MODELSERVER_PORT": str(port),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "SERVE_API": "false",
        **more,
    }
