"""The runtime with 500m of CPU and 512Mi of memory: its start, its limits, its end."""

import http.client
import json
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from cluster_access import Cluster, eventually, model_server, post
from load import ENOUGH, ROW, under_load
from nodes import is_ready
from pods import SMALL, lives, pods

pytestmark = pytest.mark.cluster

READY_SECONDS = 20


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
    return sum(map(is_ready, pods(cluster, namespace, name)))
