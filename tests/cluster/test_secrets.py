"""Secrets with tokens and certificates: taken up while the server runs, and told of when wrong."""

import http.client
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from cluster_access import Cluster, eventually, model_server
from load import ROW, under_load
from pods import SMALL, lives, pods

import secured_example

pytestmark = pytest.mark.cluster

MOUNT_SECONDS = 60
OLD, NEW = "the-token-of-before", "the-token-of-after"


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


def taken_up(cluster: Cluster, namespace: str, holds: Callable[[], bool]) -> None:
    """
    Wait until the pods have a changed Secret and *holds*.

    The kubelet looks at mounted Secrets about once a minute, and at once where a pod is changed.
    """

    def looked_again() -> bool:
        for pod in pods(cluster, namespace, "closed"):
            name, mark = pod["metadata"]["name"], f"test.modelserver.dev/looked-at={time.time()}"
            cluster.kubectl("-n", namespace, "annotate", "pod", name, mark, "--overwrite")
        return holds()

    eventually(looked_again, MOUNT_SECONDS)


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
            rate=200,
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
        taken_up(cluster, namespace, lambda: door.status(NEW) == 200)
        taken_up(cluster, namespace, lambda: door.serial() != first)
        assert door.status(OLD) == 200
    assert load.failed == {}, load.counts
    with cluster.forward(namespace, "service/closed", 443) as url:
        door = Door(url, name, context)
        cluster.apply(namespace, secret("closed-tokens", tokens=f"{NEW}\n"))
        taken_up(cluster, namespace, lambda: door.status(OLD) == 403)
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


@dataclass(frozen=True)
class Mistake:
    """
    A Secret that cannot be used.

    Args:
        values: its content; None where there is no Secret.
        reason: of Ready.
        says: what must stand in the message.
    """

    values: dict[str, str] | None
    reason: str
    says: str


MISTAKES = {
    "none": Mistake(None, "VolumeMountFailed", 'secret "none" not found'),
    "key": Mistake(
        {"other": f"{OLD}\n"}, "VolumeMountFailed", "references non-existent secret key: tokens"
    ),
    "token": Mistake(
        {"tokens": "short\n"},
        "InvalidSetting",
        "/etc/modelserver/auth/tokens has a token shorter than 16 bytes",
    ),
}


def test_what_is_wrong_with_a_secret_is_told(cluster: Cluster, namespace: str) -> None:
    """In the words of whoever found it; once the Secret is right, the server serves by itself."""
    for name, mistake in MISTAKES.items():
        if mistake.values is not None:
            cluster.apply(namespace, secret(name, **mistake.values))
        tokens = {"bearerTokens": {"secret": {"name": name, "key": "tokens"}}}
        server = model_server(name, replicas=1, resources=SMALL, server={"auth": tokens})
        cluster.apply(namespace, server)
    for name, mistake in MISTAKES.items():
        eventually(
            lambda n=name, m=mistake: (
                cluster.condition(namespace, n, "Ready").get("reason") == m.reason
            ),
            90,
            lambda n=name: json.dumps(cluster.condition(namespace, n, "Ready")),
        )
        assert mistake.says in cluster.condition(namespace, name, "Ready")["message"]
    for name in MISTAKES:
        cluster.apply(namespace, secret(name, tokens=f"{OLD}\n"))
    for name in MISTAKES:
        cluster.wait_ready(namespace, name, 180)  # the kubelet tries again ever more rarely
