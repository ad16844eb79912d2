"""The runtime as a real process on a free port of this machine."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "artifacts" / "model"
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class Process:
    """A started runtime; `stderr` grows while it lives."""

    def __init__(self, env: Mapping[str, str]) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MODELSERVER_")}
        clean |= {"PYTHONPATH": str(ROOT / "server"), "MODELSERVER_PORT": "0"}
        clean |= {"MODELSERVER_MODEL_PATH": str(BUNDLED), "MODELSERVER_DRAIN_SECONDS": "0"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "modelserver_runtime"],
            env=clean | dict(env),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.pid = self._process.pid
        self.stderr: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self.stderr.extend(())
            for line in lines:
                self.stderr.append(line)

    def events(self) -> list[dict[str, Any]]:
        """The log lines so far."""
        return [json.loads(line) for line in list(self.stderr) if line.startswith("{")]

    def url(self) -> str:
        """Where it listens, as soon as it does."""
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends:
            for event in self.events():
                if event.get("event") == "listening":
                    return str(event["url"])
            assert self._process.poll() is None, "".join(self.stderr)
            time.sleep(0.02)
        raise AssertionError("".join(self.stderr))

    def wait_ready(self) -> str:
        """The URL, once /ready says yes."""
        url = self.url()
        self.wait_until(lambda: httpx.get(f"{url}/ready").status_code == httpx.codes.OK)
        return url

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that comes true while it starts."""
        ends = time.monotonic() + START_SECONDS
        while not holds():
            assert time.monotonic() < ends, "".join(self.stderr)
            time.sleep(0.05)

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Any signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """The exit code, at most *seconds* later."""
        code = self._process.wait(seconds)
        self._reader.join(STOP_SECONDS)
        return code

    def resident_bytes(self) -> int:
        """Memory the process has resident now."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def most_resident_bytes(self) -> int:
        """Memory the process has had resident at most."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [kibibytes] = re.findall(r"VmHWM:\s+(\d+) kB", status)
        return int(kibibytes) * 1024

    def kill(self) -> None:
        """End it, whatever state it is in."""
        if self._process.poll() is None:
            self._process.kill()
        self.wait()


@contextmanager
def running(**env: str) -> Iterator[Process]:
    """A runtime with the settings *env* (names without the prefix), killed at the end."""
    process = Process({f"MODELSERVER_{name.upper()}": value for name, value in env.items()})
    try:
        yield process
    finally:
        process.kill()
