"""The real cluster, as `make cluster` left it, with this checkout's operator installed by Helm."""

import os
import subprocess
from collections.abc import Generator, Iterator

import pytest
from cluster_access import ROOT, RUN, Cluster
from leftovers import take_away_leftovers


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster, with the operator and the images of this checkout in it."""
    text = subprocess.run([RUN, "env", "-0"], check=True, capture_output=True, text=True).stdout
    environment = dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)
    take_away_leftovers(Cluster(os.environ | environment))
    found = Cluster(os.environ | environment)  # before the operator starts: it notes the time
    subprocess.run([ROOT / "scripts" / "install"], check=True, stdin=subprocess.DEVNULL)
    return found


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace, deleted afterwards without waiting for it."""
    with cluster.fresh_namespace("case") as name:
        yield name


@pytest.fixture(scope="session")
def served(cluster: Cluster) -> Iterator[str]:
    """A namespace in which ModelServer `breast-cancer`, two pods, is Ready; tests leave it so."""
    with cluster.fresh_namespace("served") as name:
        cluster.kubectl("-n", name, "apply", "-f", str(ROOT / "examples" / "breast-cancer.yaml"))
        cluster.wait_ready(name, "breast-cancer")
        yield name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What counts the requests of all other tests comes last, whatever the order of those."""
    items.sort(key=lambda item: item.path.name == "test_rights.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say with a failure what the cluster looked like at that moment and what the operator said."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and cluster is not None:
        report.sections.append(("cluster at the failure", cluster.state()))
    return report
