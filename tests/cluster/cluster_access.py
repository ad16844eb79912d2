"""kubectl, the questions that cluster tests ask of it, and the ModelServers they apply."""

import contextlib
import json
import re
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "tests" / "cluster" / "kind" / "run.sh"
SYSTEM = "modelserver-system"
OPERATOR = "modelserver-operator"
AUDIT_LOG = "/var/log/kubernetes/audit/audit.log"
TINY = {"requests": {"cpu": "50m", "memory": "160Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
"""Resources of a pod that starts fast and leaves room for others."""
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass
class Cluster:
    """kubectl and a few questions that many tests ask."""

    environment: dict[str, str]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    refusals: list[tuple[datetime, datetime]] = field(default_factory=list)

    def run(self, *command: str, text: str | None = None, check: bool = True) -> str:
        """Run a command with the cluster's programs and kubeconfig; return what it printed."""
        done = subprocess.run(
            command, env=self.environment, input=text, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - subprocess's name for it
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl."""
        done = subprocess.run(
            ["kubectl", *arguments],
            env=self.environment,
            input=input,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done

    def apply(self, namespace: str, *bodies: dict[str, Any]) -> None:
        """Apply objects given as dicts."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
        self.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(items))

    def get(self, namespace: str, kind: str, name: str) -> dict[str, Any] | None:
        """Read one object; None where there is none. A node has no namespace: leave it empty."""
        done = self.kubectl("-n", namespace, "get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(done.stdout) if done.stdout else None

    def listing(self, namespace: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """List objects, those with *selector* only if given."""
        done = self.kubectl("-n", namespace, "get", kind, "-l", selector, "-o", "json")
        return json.loads(done.stdout)["items"]

    def condition(self, namespace: str, name: str, kind: str) -> dict[str, Any]:
        """Read a condition of the newest generation; empty before it is written."""
        server = self.get(namespace, "modelserver", name) or {"metadata": {}}
        found = [c for c in server.get("status", {}).get("conditions", []) if c["type"] == kind]
        generation = server["metadata"].get("generation")
        return next((c for c in found if c["observedGeneration"] == generation), {})

    def wait_ready(self, namespace: str, name: str, seconds: float = 60) -> float:
        """Wait until the newest spec is live; return how long it took."""
        started = time.monotonic()
        eventually(
            lambda: self.condition(namespace, name, "Ready").get("status") == "True",
            seconds,
            lambda: str(self.condition(namespace, name, "Ready")),
        )
        return time.monotonic() - started

    def create_namespace(self, name: str, labels: dict[str, str]) -> None:
        """Make a namespace."""
        metadata = {"name": name, "labels": labels}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.kubectl("create", "-f", "-", input=json.dumps(body))

    @contextlib.contextmanager
    def fresh_namespace(self, prefix: str) -> Iterator[str]:
        """Make a namespace under Pod Security `restricted`; delete it, but do not wait for that."""
        name = f"test-{prefix}-{uuid.uuid4().hex[:8]}"
        self.create_namespace(name, RESTRICTED)
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")

    @contextlib.contextmanager
    def forward(self, namespace: str, target: str, port: int = 80) -> Iterator[str]:
        """Forward a free port of 127.0.0.1 to *target*; give the URL."""
        command = ["kubectl", "-n", namespace, "port-forward", target, f":{port}"]
        with subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            try:
                found = re.search(r"127\.0\.0\.1:(\d+) ->", process.stdout.readline())
                assert found is not None
                yield f"http://127.0.0.1:{found[1]}"
            finally:
                process.terminate()

    def operator_writes(self) -> list[str]:
        """Every write of the operator so far, Lease renewals apart, as the API server saw it."""
        verbs = "|".join(sorted(WRITES))
        events = self._audited(f'"verb":"({verbs})"')
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in events
            if event["objectRef"]["resource"] != "leases"
        ]

    def operator_requests(self) -> list[dict[str, Any]]:
        """Every request of the operator in this session, but those that had to be refused."""
        return [
            event
            for event in self._audited("")
            if (at := datetime.fromisoformat(event["requestReceivedTimestamp"])) >= self.began
            and not any(start <= at <= end for start, end in self.refusals)
        ]

    def _audited(self, pattern: str) -> list[dict[str, Any]]:
        node = f"{self.environment['CLUSTER']}-control-plane"
        lines = self.run("docker", "exec", node, "grep", "-E", "-e", pattern, AUDIT_LOG)
        return [json.loads(line) for line in lines.splitlines()]

    @contextlib.contextmanager
    def refusals_expected(self) -> Iterator[None]:
        """Leave what is asked while the body runs out of the account of the operator's rights."""
        start = datetime.now(UTC)
        yield
        self.refusals.append((start, datetime.now(UTC)))

    def state(self) -> str:
        """Describe what tests look at: conditions, pods, nodes, the operator's last words."""
        status = "REASONS:.status.conditions[*].reason,MESSAGES:.status.conditions[*].message"
        columns = f"NAMESPACE:.metadata.namespace,NAME:.metadata.name,{status}"
        commands = (
            ("get", "modelservers", "-A", "-o", f"custom-columns={columns}"),
            ("get", "pods", "-A", "-o", "wide", "--field-selector=metadata.namespace!=kube-system"),
            ("get", "nodes"),
            (
                *("-n", SYSTEM, "logs", "--tail=30", "--prefix"),
                "-l",
                f"app.kubernetes.io/name={OPERATOR}",
            ),
        )
        done = [self.kubectl(*command, check=False) for command in commands]
        return "\n".join(f"{d.stdout}{d.stderr}" for d in done)

    def scale_operator(self, replicas: int) -> None:
        """Run *replicas* operators, and wait until that is so."""
        self.kubectl("-n", SYSTEM, "scale", f"deployment/{OPERATOR}", f"--replicas={replicas}")
        if replicas:
            self.wait_operator()
        else:
            selector = f"app.kubernetes.io/name={OPERATOR}"
            eventually(lambda: not self.listing(SYSTEM, "pods", selector), 60)

    @contextlib.contextmanager
    def without_operator(self) -> Iterator[None]:
        """Run no operator while the body runs, and as many as before afterwards."""
        deployment = self.get(SYSTEM, "deployment", OPERATOR)
        assert deployment is not None
        before = deployment["spec"]["replicas"]
        self.scale_operator(0)
        try:
            yield
        finally:
            self.scale_operator(before)

    def wait_operator(self) -> None:
        """Wait for the operator's rollout."""
        self.kubectl("-n", SYSTEM, "rollout", "status", f"deployment/{OPERATOR}", "--timeout=60s")


def eventually(
    holds: Callable[[], object], seconds: float, why: Callable[[], str] = lambda: ""
) -> None:
    """Wait until *holds*; fail after *seconds* with what *why* says."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {why()}"
        time.sleep(0.1)


def post(url: str, body: object) -> tuple[int, Any]:
    """Send JSON; return status and decoded answer, whatever the status."""
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def model_server(name: str, **spec: Any) -> dict[str, Any]:
    """Build a ModelServer that serves the bundled model, with *spec* on top."""
    model = {"version": "1.0.0", "source": {"bundled": {"path": "/models/breast-cancer"}}}
    return {
        "apiVersion": "modelserver.dev/v1alpha1",
        "kind": "ModelServer",
        "metadata": {"name": name},
        "spec": {"model": model, **spec},
    }


def restricted(
    name: str, *, image: str, container: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """Build a pod that Pod Security `restricted` admits, with *container* and *spec* on top."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {"name": "main", "image": image, "securityContext": security} | (container or {})
            ],
        }
        | spec,
    }


def installed_image(which: str) -> str:
    """Name the image, OPERATOR_IMAGE or RUNTIME_IMAGE, that `make images` made of this checkout."""
    lines = (ROOT / ".build" / "images.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)[which]
