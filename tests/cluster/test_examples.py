"""Every example in `examples/` is applied as it is, and serves."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_access import ROOT, Cluster, installed_image, post
from model_stores import stores
from nodes import nodes

from runtime.archive_make import ARTIFACT, tar

pytestmark = pytest.mark.cluster

EXAMPLES = ROOT / "examples"
Before = Callable[[Cluster, str], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def nothing(_cluster: Cluster, _namespace: str) -> Iterator[None]:
    """The example needs nothing but itself."""
    yield


@contextlib.contextmanager
def a_config_map(cluster: Cluster, namespace: str) -> Iterator[None]:
    """The command that stands in the example."""
    name = "breast-cancer-1.0.0"
    folder = f"--from-file={ROOT / 'artifacts' / 'model'}"
    cluster.kubectl("-n", namespace, "create", "configmap", name, folder)
    yield


@contextlib.contextmanager
def a_volume(cluster: Cluster, namespace: str) -> Iterator[None]:
    """A volume that is the same on every node, with the artifact where the example has it."""
    here = f"/var/local/{namespace}"
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": namespace},
        "spec": {
            "accessModes": ["ReadOnlyMany"],
            "capacity": {"storage": "16Mi"},
            "claimRef": {"namespace": namespace, "name": "models"},
            "hostPath": {"path": here},
            "storageClassName": "",
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models"},
        "spec": {
            "accessModes": ["ReadOnlyMany"],
            "resources": {"requests": {"storage": "16Mi"}},
            "storageClassName": "",
        },
    }
    for node in nodes(cluster):
        cluster.run("docker", "exec", node, "mkdir", "-p", f"{here}/breast-cancer")
        to = f"{node}:{here}/breast-cancer/1.0.0"
        cluster.run("docker", "cp", str(ROOT / "artifacts" / "model"), to)
    try:
        cluster.apply(namespace, volume, claim)
        yield
    finally:
        cluster.kubectl("delete", "persistentvolume", namespace, "--wait=false")
        for node in nodes(cluster):
            cluster.run("docker", "exec", node, "rm", "-r", here)


@contextlib.contextmanager
def a_pool_and_an_image(cluster: Cluster, _namespace: str) -> Iterator[None]:
    """A node of the pool, with the private image on it as if it had been pulled."""
    [example] = yaml.safe_load_all((EXAMPLES / "private.yaml").read_text(encoding="utf-8"))
    image, ours = example["spec"]["image"], installed_image("RUNTIME_IMAGE")
    pool = example["spec"]["scheduling"]["nodeSelector"]
    for node in nodes(cluster):
        cluster.run(
            *("docker", "exec", node, "ctr", "-n", "k8s.io", "images", "tag", "--force"),
            *(ours, image),
        )
        cluster.kubectl("label", "node", node, *(f"{k}={v}" for k, v in pool.items()))
    try:
        yield
    finally:
        for node in nodes(cluster):
            cluster.kubectl("label", "node", node, *(f"{key}-" for key in pool))
            cluster.run("docker", "exec", node, "ctr", "-n", "k8s.io", "images", "rm", image)


@contextlib.contextmanager
def a_web_server(cluster: Cluster, namespace: str) -> Iterator[None]:
    """A server with the archive, a certificate by an authority of its own, and one reader."""
    with stores(cluster, namespace) as found:
        found.upload({"breast-cancer-1.0.0.tar.gz": tar(kind="gz", below="./")})
        yield


@contextlib.contextmanager
def a_bucket(cluster: Cluster, namespace: str) -> Iterator[None]:
    """A store with the files of the artifact."""
    with stores(cluster, namespace) as found:
        found.put({f"breast-cancer/1.0.0/{name}": body for name, body in ARTIFACT.items()})
        yield


BEFORE: dict[str, Before] = {
    "breast-cancer.yaml": nothing,
    "diabetes.yaml": nothing,
    "from-configmap.yaml": a_config_map,
    "from-http.yaml": a_web_server,
    "from-s3.yaml": a_bucket,
    "from-volume.yaml": a_volume,
    "private.yaml": a_pool_and_an_image,
    "production.yaml": nothing,
    "support-tickets.yaml": nothing,
}


def recorded(digest: str) -> tuple[dict[str, Any], Any]:
    """A row and its answer, out of the artifact that has *digest*."""
    for path in (ROOT / "artifacts").glob("*/manifest.json"):
        content = path.read_bytes()
        if digest == f"sha256:{hashlib.sha256(content).hexdigest()}":
            manifest = json.loads(content)
            names = [feature["name"] for feature in manifest["signature"]["features"]]
            golden = manifest["golden"]
            return dict(zip(names, golden["rows"][-1], strict=True)), golden["predictions"][-1]
    raise AssertionError(f"no artifact has {digest}")


@pytest.mark.parametrize("example", BEFORE)
def test_the_example_serves(cluster: Cluster, namespace: str, example: str) -> None:
    """Whoever copies it starts with something that works; test_placement shows where it runs."""
    path: Path = EXAMPLES / example
    bodies = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    [server] = [body for body in bodies if body["kind"] == "ModelServer"]
    name, place = server["metadata"]["name"], server["metadata"].get("namespace", namespace)
    with BEFORE[example](cluster, namespace):
        try:
            cluster.kubectl("-n", place, "apply", "-f", str(path))
            cluster.wait_ready(place, name, 90)
            row, want = recorded(server["spec"]["model"]["digest"])
            with cluster.forward(place, f"service/{name}") as url:
                status, answer = post(f"{url}/predict", row)
            assert status == 200
            got = answer["prediction"]
            assert got == (want if isinstance(want, str) else pytest.approx(want, rel=1e-9))
        finally:
            cluster.kubectl("delete", "-f", str(path), "--wait=false", "-n", place)


def test_no_example_is_forgotten() -> None:
    """Each has a test that applies it; that of `secured.yaml` is in test_secrets."""
    assert {path.name for path in EXAMPLES.iterdir()} == {*BEFORE, "secured.yaml"}
