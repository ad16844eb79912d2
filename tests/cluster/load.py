"""Predictions sent through a Service from inside the cluster while its pods come and go."""

import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster_access import Cluster, eventually, installed_image, restricted

PROGRAM = Path(__file__).with_name("load_client.py")
ENOUGH = 20_000
ROW = {f"feature_{i}": 1.0 for i in range(1, 31)}


@dataclass
class Load:
    """What a client pod has counted; complete once `under_load` is left."""

    cluster: Cluster
    namespace: str
    pod: str
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """Requests that were answered as they should be."""
        return int(self.counts["answered"])

    @property
    def failed(self) -> dict[str, int]:
        """How many requests failed in which way."""
        return dict(self.counts["failed"])

    def read(self) -> dict[str, Any]:
        """Read the newest counts; empty before there are any."""
        done = self.cluster.kubectl("-n", self.namespace, "logs", self.pod, "--tail=1", check=False)
        with contextlib.suppress(ValueError):
            self.counts = json.loads(done.stdout)
        return self.counts

    def has_sent(self, number: int) -> bool:
        """Say whether *number* requests are behind us, and that the client is alive."""
        status = (self.cluster.get(self.namespace, "pod", self.pod) or {})["status"]
        alive = status["phase"] in ("Pending", "Running")
        assert alive, f"the client ended: {status.get('message', '')} {self.log()}"
        counts = self.read()
        return counts.get("answered", 0) + sum(counts.get("failed", {}).values()) >= number

    def stop(self) -> None:
        """Let the client finish what it has begun, and read its last counts."""
        stop = "import os; os.kill(1, 15)"
        self.cluster.kubectl("-n", self.namespace, "exec", self.pod, "--", "python", "-c", stop)
        eventually(lambda: self.read().get("done"), 60, self.log)

    def log(self) -> str:
        """Read the end of the client's log."""
        command = ("-n", self.namespace, "logs", self.pod, "--tail=30")
        return self.cluster.kubectl(*command, check=False).stdout


@contextlib.contextmanager
def under_load(  # noqa: PLR0913 - each is a fact of its own
    cluster: Cluster,
    namespace: str,
    server: str,
    *,
    rate: int = 500,
    enough: int = ENOUGH,
    token: str = "",
    authority: Path | None = None,
) -> Iterator[Load]:
    """
    Send *rate* predictions a second to *server* while the body runs, and until *enough* were sent.

    The client runs on the control plane, which no test drains. With an *authority* it speaks TLS.
    """
    pod = f"load-{uuid.uuid4().hex[:8]}"
    body = json.dumps(ROW)
    url = f"{'https' if authority else 'http'}://{server}.{namespace}.svc/predict"
    files = [f"--from-file={PROGRAM}"]
    options = [f"--rate={rate}", *([f"--token={token}"] if token else [])]
    if authority is not None:
        files.append(f"--from-file=authority.pem={authority}")
        options.append("--ca=/load/authority.pem")
    cluster.kubectl("-n", namespace, "create", "configmap", pod, *files)
    container = {
        "name": "client",
        "command": ["python", f"/load/{PROGRAM.name}", url, body, *options],
        "volumeMounts": [{"name": "load", "mountPath": "/load"}],
        # Little is asked for: all pods of a drained node must find room beside this one.
        "resources": {"requests": {"cpu": "25m", "memory": "64Mi"}},
    }
    volume = {"name": "load", "configMap": {"name": pod}}
    cluster.apply(
        namespace,
        restricted(
            pod,
            image=installed_image("OPERATOR_IMAGE"),
            container=container,
            volumes=[volume],
            nodeName=f"{cluster.environment['CLUSTER']}-control-plane",
        ),
    )
    load = Load(cluster, namespace, pod)
    try:
        eventually(lambda: load.has_sent(1), 90, load.log)
        yield load
        eventually(lambda: load.has_sent(enough), 180, load.log)
        load.stop()
    finally:
        cluster.kubectl("-n", namespace, "delete", "pod", pod, "--wait=false")
