"""Drives wrk and reads what it counted."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
WARM_UP_SECONDS = 1


@dataclass(frozen=True)
class Load:
    """
    Requests that are sent over and over.

    Args:
        body: file with the body; None sends GETs.
        clients: connections, each waiting for its answer before it asks again.
    """

    path: str
    body: Path | None
    clients: int


@dataclass(frozen=True)
class Counted:
    """What one run of wrk found; times in milliseconds."""

    requests: int
    per_second: float
    p50: float
    p99: float


class Wrk:
    """
    Runs wrk.

    Args:
        cpu: where it runs, so that it does not take the server's time; None leaves it free.
        seconds: how long a run is.
    """

    def __init__(self, cpu: int | None, seconds: int) -> None:
        if shutil.which("wrk") is None:
            raise SystemExit("wrk is missing: run scripts/install-wrk")
        self._pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
        self._seconds = seconds

    def run(self, url: str, load: Load) -> Counted:
        """One measured run."""
        return _counted(self._start(url, load, self._seconds))

    def run_beside(self, url: str, load: Load, background: Load) -> Counted:
        """The same while *background* runs, which starts before and ends after."""
        beside = self._start(url, background, self._seconds + 2 * WARM_UP_SECONDS)
        try:
            _counted(self._start(url, load, WARM_UP_SECONDS))
            return _counted(self._start(url, load, self._seconds))
        finally:
            _counted(beside)

    def warm_up(self, url: str, load: Load) -> None:
        """Let caches fill."""
        _counted(self._start(url, load, WARM_UP_SECONDS))

    def _start(self, url: str, load: Load, seconds: int) -> "subprocess.Popen[str]":
        body = [str(load.body)] if load.body is not None else []
        return subprocess.Popen(
            [
                *self._pin, "wrk", "--threads", "1", "--connections", str(load.clients),
                "--duration", f"{seconds}s", "--timeout", "30s",
                "--script", str(HERE / "post.lua"), url + load.path, "--", *body,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip


def _counted(process: "subprocess.Popen[str]") -> Counted:
    out, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"wrk ended with {process.returncode}")
    found = json.loads(next(line for line in out.splitlines() if line.startswith("{")))
    if found["errors"]:
        raise SystemExit(f"{found['errors']} requests failed: {out}")
    return Counted(
        found["requests"],
        found["requests"] / found["microseconds"] * 1e6,
        found["p50"] / 1e3,
        found["p99"] / 1e3,
    )
