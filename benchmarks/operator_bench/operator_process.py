"""The operator of this checkout as a process, and what it says of itself."""

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from operator_bench.control_plane import ControlPlane, running

ROOT: Final = Path(__file__).resolve().parents[2]
PORT: Final = 18081


class Operator:
    """The operator's process, and what it says of itself."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def rss_mib(self) -> float:
        """Resident memory."""
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_seconds(self) -> float:
        """CPU used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metrics(self) -> dict[str, float]:
        """Its metrics: name with labels, value; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def reconciled(self) -> float:
        """How many reconciles have ended."""
        found = self.metrics()
        prefix = "modelserver_operator_reconciles_total"
        return sum(value for name, value in found.items() if name.startswith(prefix))

    def is_at_rest(self) -> bool:
        """Whether it has listed everything and nothing waits for a worker."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=5).close()
        except OSError:
            return False
        found = self.metrics()
        waiting = found.get("modelserver_operator_queue_depth", 1)
        return found.get("modelserver_operator_leader") == 1 and waiting == 0


@contextlib.contextmanager
def operator(plane: ControlPlane) -> Iterator[Operator]:
    """Run this checkout's operator."""
    environment = {
        "KUBECONFIG": str(plane.kubeconfig("operator")),
        "PYTHONPATH": str(ROOT / "operator"),
    }
    command = [sys.executable, "-m", "modelserver_operator", f"--port={PORT}"]
    with (
        (plane.folder / "operator.log").open("ab") as log,
        running(command, environment, log) as process,
    ):
        yield Operator(process)
