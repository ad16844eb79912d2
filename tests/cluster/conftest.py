"""The real cluster, as `make cluster` left it, with this checkout's operator installed by Helm."""

import os
import subprocess
import uuid
from collections.abc import Iterator

import pytest
from cluster_access import ROOT, RUN, Cluster


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster, with the operator and the images of this checkout in it."""
    text = subprocess.run([RUN, "env", "-0"], check=True, capture_output=True, text=True).stdout
    environment = dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)
    subprocess.run([ROOT / "scripts" / "install"], check=True, stdin=subprocess.DEVNULL)
    return Cluster(os.environ | environment)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace, deleted afterwards without waiting for it."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def served(cluster: Cluster) -> Iterator[str]:
    """A namespace in which ModelServer `breast-cancer`, two pods, is Ready; tests leave it so."""
    name = f"served-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("-n", name, "apply", "-f", str(ROOT / "examples" / "breast-cancer.yaml"))
    cluster.wait_ready(name, "breast-cancer")
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
