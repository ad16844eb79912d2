"""What models are fetched from: a real nginx and a real S3-compatible server, in the cluster."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import trustme
from botocore.config import Config
from cluster_access import ROOT, Cluster, restricted

BUCKET = "models"
READER = {"username": "reader", "password": "a-password-of-ours"}
"""Whom nginx lets read over TLS; the password stands in its image."""
ACCESS_KEY = {
    "AWS_ACCESS_KEY_ID": "an-access-key",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-ours",
}
_TLS = """
server {
    listen 8443 ssl;
    ssl_certificate /etc/nginx/tls/tls.crt;
    ssl_certificate_key /etc/nginx/tls/tls.key;
    auth_basic models;
    auth_basic_user_file /etc/nginx/users;
}
"""


@cache
def images() -> dict[str, str]:
    """Build both images and put them onto the nodes; name them by what they are."""
    script = ROOT / "tests" / "cluster" / "kind" / "stores.sh"
    done = subprocess.run([script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@dataclass(frozen=True)
class Stores:
    """Both servers in one namespace, as the Services `web` and `store`."""

    cluster: Cluster
    namespace: str

    def upload(self, files: Mapping[str, bytes]) -> None:
        """Put *files* where nginx hands them out; what has that name already is replaced."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            self.cluster.kubectl("-n", self.namespace, "cp", f"{folder}/.", "web:/srv")

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Put *objects* into the bucket."""
        session = boto3.session.Session(*ACCESS_KEY.values())
        config = Config(s3={"addressing_style": "path"}, proxies={})
        with self.cluster.forward(self.namespace, "service/store", 9000) as url:
            client = session.client("s3", endpoint_url=url, region_name="us-east-1", config=config)
            if BUCKET not in [found["Name"] for found in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket=BUCKET)
            for key, content in objects.items():
                client.put_object(Bucket=BUCKET, Key=key, Body=content)
            client.close()


@contextlib.contextmanager
def stores(cluster: Cluster, namespace: str) -> Iterator[Stores]:
    """
    Both servers, ready, with what a ModelServer needs to know of them.

    The ConfigMap `authorities` has the one that certifies `web`; the Secrets `reader` and `store`
    have the credentials for each.
    """
    authority = trustme.CA()
    issued = authority.issue_cert("web", f"web.{namespace}.svc")
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems).decode()
    tls = {"tls.crt": chain, "tls.key": issued.private_key_pem.bytes().decode(), "tls.conf": _TLS}
    cluster.apply(
        namespace,
        _secret("web-tls", tls),
        _secret("reader", READER),
        _secret("store", ACCESS_KEY),
        _named("ConfigMap", "authorities", data={"ca.pem": authority.cert_pem.bytes().decode()}),
        _pod("web", {"web-tls": "/etc/nginx/tls"}, {"files": "/srv", "tmp": "/tmp"}),  # noqa: S108 - in the pod
        _pod("store", {}, {"data": "/data"}),
        _service("web", {"http": (80, 8080), "https": (443, 8443)}),
        _service("store", {"s3": (9000, 9000)}),
    )
    for name in ("web", "store"):
        command = ("-n", namespace, "wait", f"pod/{name}", "--for=condition=Ready")
        cluster.kubectl(*command, "--timeout=60s")
    yield Stores(cluster, namespace)


def _pod(name: str, secrets: Mapping[str, str], folders: Mapping[str, str]) -> dict[str, Any]:
    environment = {
        "ROOT_ACCESS_KEY_ID": ACCESS_KEY["AWS_ACCESS_KEY_ID"],
        "ROOT_SECRET_ACCESS_KEY": ACCESS_KEY["AWS_SECRET_ACCESS_KEY"],
    }
    port = {"web": 8080, "store": 9000}[name]
    container = {
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "volumeMounts": [
            {"name": volume, "mountPath": path} for volume, path in {**secrets, **folders}.items()
        ],
    }
    volumes = [{"name": volume, "secret": {"secretName": volume}} for volume in secrets]
    volumes += [{"name": volume, "emptyDir": {}} for volume in folders]
    return restricted(name, image=images()[name], container=container, volumes=volumes)


def _service(name: str, ports: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    listed = [
        {"name": called, "port": port, "targetPort": target}
        for called, (port, target) in ports.items()
    ]
    return _named("Service", name, spec={"selector": {"app": name}, "ports": listed})


def _secret(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    return _named("Secret", name, stringData=dict(values))


def _named(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}
