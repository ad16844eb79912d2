"""Every example in `examples/` is applied as it is, and serves."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from cluster_access import (
    ROOT,
    Cluster,
    installed_image,
    post,
    restricted,
)
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
    """A claim, and a pod that copies the artifact of the runtime's image onto it."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "16Mi"}},
        },
    }
    copy = "import shutil; shutil.copytree('/models/breast-cancer', '/volume/breast-cancer/1.0.0')"
    pod = restricted(
        "copy",
        image=installed_image("RUNTIME_IMAGE"),
        container={
            "command": ["python", "-c", copy],
            "volumeMounts": [{"name": "models", "mountPath": "/volume"}],
        },
        volumes=[{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}],
    )
    cluster.apply(namespace, claim, pod)
    done = "--for=jsonpath={.status.phase}=Succeeded"
    cluster.kubectl("-n", namespace, "wait", "pod/copy", done, "--timeout=60s")
    yield


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
            assert (status, answer["prediction"]) == (200, 0)
        finally:
            cluster.kubectl("delete", "-f", str(path), "--wait=false", "-n", place)
