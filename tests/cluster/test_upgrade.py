"""The operator is upgraded, and moved into a few namespaces, and no model notices."""

import contextlib
import subprocess
from collections.abc import Iterator

import pytest
from cluster_access import OPERATOR, ROOT, SYSTEM, TINY, Cluster, eventually, model_server

pytestmark = pytest.mark.cluster


@contextlib.contextmanager
def installed_with(*settings: str) -> Iterator[None]:
    """Run `helm upgrade` with other values, and with the usual ones afterwards."""
    install = [str(ROOT / "scripts" / "install")]
    try:
        subprocess.run(
            [*install, *(word for setting in settings for word in ("--set", setting))],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        yield
    finally:
        subprocess.run(install, check=True, stdin=subprocess.DEVNULL)


def pods(cluster: Cluster, namespace: str) -> set[str]:
    """Tell the model's pods apart."""
    found = cluster.listing(namespace, "pods", "modelserver.dev/name")
    return {pod["metadata"]["uid"] for pod in found}


def image(cluster: Cluster, namespace: str, name: str) -> str | None:
    """Read which image the pods of a server are made from."""
    deployment = cluster.get(namespace, "deployment", name)
    return deployment and deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def test_another_default_image_restarts_no_pod(
    cluster: Cluster, served: str, namespace: str
) -> None:
    """What runs keeps its image until it is edited; what is new gets the new one."""
    before, image_before = pods(cluster, served), image(cluster, served, "breast-cancer")
    newer = "localhost/modelserver-runtime:newer"
    with installed_with(f"runtimeImage={newer}"):
        cluster.apply(namespace, model_server("new", suspend=True))
        eventually(lambda: image(cluster, namespace, "new") == newer, 30)
        cluster.wait_ready(served, "breast-cancer")
        assert pods(cluster, served) == before
        assert image(cluster, served, "breast-cancer") == image_before
    cluster.wait_ready(served, "breast-cancer")
    assert pods(cluster, served) == before


def test_a_role_in_each_namespace_is_enough(cluster: Cluster, namespace: str, served: str) -> None:
    """Watching one namespace, the operator has no right outside it and works in it."""
    with (
        cluster.fresh_namespace("elsewhere") as elsewhere,
        cluster.refusals_expected(),  # the old operator loses its ClusterRole before it ends
    ):
        with installed_with(f"watchNamespaces={{{namespace}}}"):
            roles = cluster.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name").stdout
            assert OPERATOR not in roles
            account = f"--as=system:serviceaccount:{SYSTEM}:{OPERATOR}"
            question = ("auth", "can-i", "list", "modelservers.modelserver.dev", account, "-n")
            assert cluster.kubectl(*question, served, check=False).stdout.strip() == "no"
            spec = {"replicas": 1, "resources": TINY, "rollout": {"minReadySeconds": 0}}
            for place in (elsewhere, namespace):
                cluster.apply(place, model_server("here", **spec))
            cluster.wait_ready(namespace, "here", 90)
            assert cluster.get(elsewhere, "deployment", "here") is None
            assert "status" not in (cluster.get(elsewhere, "modelserver", "here") or {})
        cluster.wait_ready(elsewhere, "here", 90)
