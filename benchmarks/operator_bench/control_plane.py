"""A real API server with its storage, and its controllers: no node, no scheduler."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

START_SECONDS: Final = 60.0
CONTROLLERS: Final = (
    *("deployment-controller", "replicaset-controller", "garbage-collector-controller"),
    *("namespace-controller", "serviceaccount-controller", "disruption-controller"),
)
_HURRIED: Final = (
    *("--kube-api-qps=1000", "--kube-api-burst=2000", "--concurrent-deployment-syncs=10"),
    "--concurrent-replicaset-syncs=10",
)
_TOKENS: Final = {"person": "token-of-the-person", "operator": "token-of-the-operator"}


@dataclass(frozen=True)
class ControlPlane:
    """
    What is running.

    Attributes:
        url: of the API server, on loopback.
        folder: with a kubeconfig for each user, and the audit log.
    """

    url: str
    folder: Path

    def kubeconfig(self, user: str) -> Path:
        """Access as *user*: `person` or `operator`."""
        return self.folder / f"{user}.kubeconfig"

    def token(self, user: str) -> str:
        """The bearer token of *user*."""
        return _TOKENS[user]

    def requests_of(self, user: str) -> list[dict[str, Any]]:
        """Every request of *user* so far, as the audit log has it."""
        lines = (self.folder / "audit.log").read_text().splitlines()
        events = [json.loads(line) for line in lines if line.endswith("}")]
        return [event for event in events if event["user"]["username"] == user]


def missing_programs() -> list[str]:
    """Which programs are not on PATH; `make cluster` builds them where there is no registry."""
    programs = ("etcd", "kube-apiserver", "kube-controller-manager")
    return [program for program in programs if shutil.which(program) is None]


@contextlib.contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """Start one in a temporary folder, on free ports of loopback; stop and forget it afterwards."""
    with tempfile.TemporaryDirectory(prefix="control-plane-") as name, contextlib.ExitStack() as up:
        folder = Path(name)
        storage, peers, port = _free_port(), _free_port(), _free_port()
        plane = ControlPlane(f"https://127.0.0.1:{port}", folder)
        _write_access(plane)
        _start(up, folder, "etcd", _etcd(folder, storage, peers))
        _start(up, folder, "kube-apiserver", _api_server(folder, storage, port))
        _wait_ready(plane)
        yield plane


@contextlib.contextmanager
def controllers(plane: ControlPlane, *, hurried: bool = False) -> Iterator[None]:
    """
    Run the controllers at the pace that Kubernetes gives them, 20 requests a second each.

    Args:
        plane: whose they are.
        hurried: as fast as they can, where waiting for thousands of pods is all they are for.
    """
    pace = _HURRIED if hurried else ()
    with contextlib.ExitStack() as up:
        _start(up, plane.folder, "kube-controller-manager", [*_controllers(plane), *pace])
        yield


def _etcd(folder: Path, storage: int, peers: int) -> list[str]:
    client, peer = f"http://127.0.0.1:{storage}", f"http://127.0.0.1:{peers}"
    return [
        f"--data-dir={folder / 'etcd'}",
        *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
        *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # the disk of this machine is not what is measured
    ]


def _api_server(folder: Path, storage: int, port: int) -> list[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{storage}",
        *("--bind-address=127.0.0.1", f"--secure-port={port}", f"--cert-dir={folder / 'certs'}"),
        "--service-cluster-ip-range=10.96.0.0/16",
        *("--authorization-mode=RBAC", f"--token-auth-file={folder / 'tokens.csv'}"),
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'accounts.key'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        f"--audit-policy-file={folder / 'audit.yaml'}",
        f"--audit-log-path={folder / 'audit.log'}",
    ]


def _controllers(plane: ControlPlane) -> list[str]:
    return [
        f"--kubeconfig={plane.kubeconfig('person')}",
        f"--service-account-private-key-file={plane.folder / 'accounts.key'}",
        *("--leader-elect=false", f"--controllers={','.join(CONTROLLERS)}", "--secure-port=0"),
    ]


def _write_access(plane: ControlPlane) -> None:
    folder = plane.folder
    subprocess.run(
        ["openssl", "genrsa", "-out", folder / "accounts.key", "2048"],
        check=True,
        capture_output=True,
    )
    (folder / "tokens.csv").write_text(
        "".join(f'{token},{user},{user},"system:masters"\n' for user, token in _TOKENS.items())
    )
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": ["operator"]}, {"level": "None"}],
    }
    (folder / "audit.yaml").write_text(json.dumps(policy))
    for user in _TOKENS:
        plane.kubeconfig(user).write_text(json.dumps(_kubeconfig(plane, user)))


def _kubeconfig(plane: ControlPlane, user: str) -> dict[str, Any]:
    # Not verified: the certificate is made at start, by a server that we started on loopback.
    cluster = {"server": plane.url, "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "plane", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": plane.token(user)}}],
        "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": user}}],
        "current-context": "plane",
    }


def _start(up: contextlib.ExitStack, folder: Path, program: str, arguments: Sequence[str]) -> None:
    log = up.enter_context((folder / f"{program}.log").open("wb"))
    process = subprocess.Popen([program, *arguments], stdout=log, stderr=log)
    up.callback(stop, process)


@contextlib.contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* with *environment* on top of ours, its output in *log*, until the end."""
    process = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then make it."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_ready(plane: ControlPlane) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_ready(plane):
        if time.monotonic() > deadline:
            raise SystemExit((plane.folder / "kube-apiserver.log").read_text()[-2000:])
        time.sleep(0.2)


def _is_ready(plane: ControlPlane) -> bool:
    import ssl  # noqa: PLC0415 - only here

    headers = {"Authorization": f"Bearer {plane.token('person')}"}
    request = urllib.request.Request(f"{plane.url}/readyz", headers=headers)
    try:
        unverified = ssl._create_unverified_context()  # noqa: S323, SLF001 - our own, on loopback
        with urllib.request.urlopen(request, timeout=5, context=unverified) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004
    except OSError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
