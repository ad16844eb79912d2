"""Every example in `examples/` is applied as it is, and serves."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from cluster_access import ROOT, Cluster, installed_image, post
from load import ROW
from nodes import nodes

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


BEFORE: dict[str, Before] = {
    "breast-cancer.yaml": nothing,
    "from-configmap.yaml": a_config_map,
    "from-volume.yaml": a_volume,
    "private.yaml": a_pool_and_an_image,
    "production.yaml": nothing,
}


@pytest.mark.parametrize("example", sorted(p.name for p in EXAMPLES.glob("*.yaml")))
def test_the_example_serves(cluster: Cluster, namespace: str, example: str) -> None:
    """Whoever copies it starts with something that works."""
    path: Path = EXAMPLES / example
    bodies = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    [server] = [body for body in bodies if body["kind"] == "ModelServer"]
    name, place = server["metadata"]["name"], server["metadata"].get("namespace", namespace)
    with BEFORE[example](cluster, namespace):
        try:
            cluster.kubectl("-n", place, "apply", "-f", str(path))
            cluster.wait_ready(place, name, 90)
            with cluster.forward(place, f"service/{name}") as url:
                status, answer = post(f"{url}/predict", ROW)
            assert (status, answer["prediction"]) == (200, 1)
        finally:
            cluster.kubectl("delete", "-f", str(path), "--wait=false", "-n", place)
