"""The runtime with 500m of CPU and 512Mi of memory: its start, its limits, its end, its Secrets."""

import http.client
import json
import ssl
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from cluster_access import Cluster, eventually, model_server, post
from load import ENOUGH, ROW, under_load

import secured_example

pytestmark = pytest.mark.cluster

SMALL = {
    "requests": {"cpu": "100m", "memory": "200Mi"},
    "limits": {"cpu": "500m", "memory": "512Mi"},
}
READY_SECONDS = 20
# The kubelet looks at Secrets about once a minute, and what it finds then may be that old itself.
MOUNT_SECONDS = 150
OLD, NEW = "the-token-of-before", "the-token-of-after"


def pods(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    """List the pods of one server."""
    return cluster.listing(namespace, "pods", f"modelserver.dev/name={name}")


def lives(cluster: Cluster, namespace: str, name: str) -> dict[str, int]:
    """Count the restarts of each pod of one server, by uid."""
    return {
        pod["metadata"]["uid"]: sum(c["restartCount"] for c in pod["status"]["containerStatuses"])
        for pod in pods(cluster, namespace, name)
    }


def seconds_to_ready(pod: dict[str, Any]) -> float:
    """How long the container took from its start until the pod was Ready."""
    (container,) = pod["status"]["containerStatuses"]
    ready = next(c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    began = datetime.fromisoformat(container["state"]["running"]["startedAt"])
    return (datetime.fromisoformat(ready["lastTransitionTime"]) - began).total_seconds()


@pytest.fixture(scope="module")
def small(cluster: Cluster) -> Iterator[str]:
    """A namespace with the server `small`, two Ready pods with the limits of the default."""
    with cluster.fresh_namespace("small") as name:
        cluster.apply(name, model_server("small", replicas=2, resources=SMALL))
        cluster.wait_ready(name, "small", 120)
        yield name


def test_it_is_ready_within_twenty_seconds(cluster: Cluster, small: str) -> None:
    """Loaded, verified and warm."""
    took = [seconds_to_ready(pod) for pod in pods(cluster, small, "small")]
    assert len(took) == 2
    assert max(took) <= READY_SECONDS


def _send(url: str, parts: Iterator[bytes], length: int, **headers: str) -> tuple[int, Any]:
    """Send a body in parts; what comes back is read also where the server would not have it all."""
    address = urlsplit(url)
    client = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        client.putrequest("POST", "/predict")
        for name, value in {"content-length": str(length), **headers}.items():
            client.putheader(name.replace("_", "-"), value)
        client.endheaders()
        for part in parts:
            client.send(part)
        answer = client.getresponse()
        return answer.status, json.load(answer)
    finally:
        client.close()


def test_an_endless_body_and_a_bomb_restart_nothing(cluster: Cluster, small: str) -> None:
    """40 MiB are refused while they arrive, twenty times; a gzip of a gibibyte is not opened."""
    before = lives(cluster, small, "small")
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(1024)) + packer.flush()
    with cluster.forward(small, "service/small") as url:
        for _ in range(20):
            mebibytes = (b"x" * 2**20 for _ in range(40))
            status, answer = _send(url, mebibytes, 40 * 2**20)
            assert (status, answer["error"]) == (413, "Request too large")
            status, answer = _send(url, iter([bomb]), len(bomb), content_encoding="gzip")
            assert status == 415
        assert post(f"{url}/predict", ROW)[0] == 200
    assert lives(cluster, small, "small") == before
    assert set(before.values()) == {0}


def test_sigterm_under_load_loses_nothing(cluster: Cluster, small: str) -> None:
    """Each pod is deleted while clients keep their connections to it, and replaced."""
    before = lives(cluster, small, "small")
    with under_load(cluster, small, "small") as load:
        for uid in before:
            (pod,) = (p for p in pods(cluster, small, "small") if p["metadata"]["uid"] == uid)
            cluster.kubectl("-n", small, "delete", "pod", pod["metadata"]["name"])
            eventually(lambda: ready_pods(cluster, small, "small") == 2, 120)
    assert load.failed == {}, load.counts
    assert load.answered >= ENOUGH
    assert not before.keys() & lives(cluster, small, "small").keys()


def ready_pods(cluster: Cluster, namespace: str, name: str) -> int:
    """Count the pods that are Ready and stay."""
    return sum(
        "deletionTimestamp" not in pod["metadata"]
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])
        for pod in pods(cluster, namespace, name)
    )


def secret(name: str, kind: str = "Opaque", **values: str) -> dict[str, Any]:
    """Build a Secret."""
    data = {key.replace("_", "."): value for key, value in values.items()}
    metadata = {"name": name}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": kind,
        "stringData": data,
    }


def certificate(authority: trustme.CA, namespace: str) -> dict[str, Any]:
    """Build the Secret of a new certificate for the server `closed`."""
    issued = authority.issue_cert(f"closed.{namespace}.svc")
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    key = issued.private_key_pem.bytes()
    return secret("closed-tls", "kubernetes.io/tls", tls_crt=chain.decode(), tls_key=key.decode())


class Door:
    """A server with TLS and tokens behind a forwarded port, asked by the name it has inside."""

    def __init__(self, url: str, name: str, authority: ssl.SSLContext) -> None:
        self._address = urlsplit(url)
        self._name = name
        self._context = authority

    def _connected(self) -> tuple[http.client.HTTPConnection, ssl.SSLSocket]:
        host, port = self._address.hostname or "", self._address.port
        client = http.client.HTTPConnection(host, port, timeout=30)
        client.connect()
        assert client.sock is not None
        secure = self._context.wrap_socket(client.sock, server_hostname=self._name)
        client.sock = secure
        return client, secure

    def status(self, token: str = "", path: str = "/predict") -> int:
        """Ask on a new connection."""
        client, _ = self._connected()
        try:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            method = "POST" if path == "/predict" else "GET"
            client.request(method, path, json.dumps(ROW) if method == "POST" else None, headers)
            return client.getresponse().status
        finally:
            client.close()

    def serial(self) -> str:
        """Tell certificates apart."""
        client, secure = self._connected()
        try:
            return str((secure.getpeercert() or {})["serialNumber"])
        finally:
            client.close()


def _context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.timeout(900)
def test_secrets_are_taken_up_without_a_restart(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    """Tokens and certificate change under load over TLS: no pod is replaced, no request is lost."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority")
    cluster.apply(
        namespace,
        secret("closed-tokens", tokens=f"{OLD}\n"),
        certificate(authority, namespace),
        model_server(
            "closed",
            replicas=2,
            resources=SMALL,
            service={"port": 443},
            server={
                "auth": {"bearerTokens": {"secret": {"name": "closed-tokens", "key": "tokens"}}},
                "tls": {"secret": {"name": "closed-tls"}},
            },
        ),
    )
    cluster.wait_ready(namespace, "closed", 120)
    server = cluster.get(namespace, "modelserver", "closed") or {}
    assert server["status"]["url"] == f"https://closed.{namespace}.svc:443"
    before = lives(cluster, namespace, "closed")
    name, context = f"closed.{namespace}.svc", _context(authority)
    with (
        under_load(
            cluster,
            namespace,
            "closed",
            rate=100,
            token=OLD,
            authority=tmp_path / "authority",
            enough=5000,
        ) as load,
        cluster.forward(namespace, "service/closed", 443) as url,
    ):
        door = Door(url, name, context)
        assert (door.status(), door.status(NEW), door.status(OLD)) == (401, 403, 200)
        assert [door.status(path=path) for path in ("/health", "/ready", "/metrics")] == [200] * 3
        first = door.serial()
        both = secret("closed-tokens", tokens=f"{OLD}\n{NEW}\n")
        cluster.apply(namespace, both, certificate(authority, namespace))
        eventually(lambda: door.status(NEW) == 200, MOUNT_SECONDS)
        eventually(lambda: door.serial() != first, MOUNT_SECONDS)
        assert door.status(OLD) == 200
    assert load.failed == {}, load.counts
    with cluster.forward(namespace, "service/closed", 443) as url:
        door = Door(url, name, context)
        cluster.apply(namespace, secret("closed-tokens", tokens=f"{NEW}\n"))
        eventually(lambda: door.status(OLD) == 403, MOUNT_SECONDS)
        assert door.status(NEW) == 200
    assert lives(cluster, namespace, "closed") == before
    assert set(before.values()) == {0}


def test_the_secured_example_serves(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """With the Secrets that the commands in its comment make, as they stand there."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    real = cluster.run("bash", "-c", "command -v kubectl").strip()
    kubectl = f'#!/bin/sh\nexec {real} -n {namespace} "$@"\n'
    secured_example.make_secrets(secrets, kubectl, cluster.environment)
    cluster.kubectl("-n", namespace, "apply", "-f", str(secured_example.FILE))
    cluster.wait_ready(namespace, "secured", 120)
    token = cluster.kubectl(
        *("-n", namespace, "get", "secret", "secured-tokens"),
        *("-o", "go-template={{.data.tokens | base64decode}}"),
    ).stdout
    context = ssl.create_default_context(cafile=secrets / "tls.crt")
    with cluster.forward(namespace, "service/secured", 443) as url:
        door = Door(url, "secured.default.svc", context)
        assert (door.status(), door.status("a-token-of-nobody"), door.status(token)) == (
            401,
            403,
            200,
        )


@pytest.mark.parametrize(
    ("secrets", "reason", "says"),
    [
        pytest.param([], "VolumeMountFailed", 'secret "closed-tokens" not found', id="no Secret"),
        pytest.param(
            [secret("closed-tokens", other=f"{OLD}\n")],
            "VolumeMountFailed",
            "references non-existent secret key: tokens",
            id="no such key",
        ),
        pytest.param(
            [secret("closed-tokens", tokens="short\n")],
            "InvalidSetting",
            "/etc/modelserver/auth/tokens has a token shorter than 16 bytes",
            id="a bad token",
        ),
    ],
)
@pytest.mark.timeout(600)
def test_what_is_wrong_with_a_secret_is_told(
    cluster: Cluster, namespace: str, secrets: list[dict[str, Any]], reason: str, says: str
) -> None:
    """In the words of whoever found it; once the Secret is right, the server serves by itself."""
    tokens = {"bearerTokens": {"secret": {"name": "closed-tokens", "key": "tokens"}}}
    closed = model_server("closed", replicas=1, resources=SMALL, server={"auth": tokens})
    cluster.apply(namespace, *secrets, closed)
    eventually(
        lambda: cluster.condition(namespace, "closed", "Ready").get("reason") == reason,
        90,
        lambda: json.dumps(cluster.condition(namespace, "closed", "Ready")),
    )
    assert says in cluster.condition(namespace, "closed", "Ready")["message"]
    cluster.apply(namespace, secret("closed-tokens", tokens=f"{OLD}\n"))
    cluster.wait_ready(namespace, "closed", 2 * MOUNT_SECONDS)
