"""Who is let in, who is not, and that nothing goes out."""

import contextlib
from collections.abc import Iterator

import pytest
from cluster_access import TINY, Cluster, eventually, installed_image, model_server, restricted

pytestmark = pytest.mark.cluster

NAME = "guarded"
METRICS_PORT = 9000
CLIENT = {"role": "client"}
GUARDED = {"from": [{"podSelector": {"matchLabels": CLIENT}}]}


@contextlib.contextmanager
def prometheus_namespace(cluster: Cluster) -> Iterator[str]:
    """The namespace that the chart takes for Prometheus's, ours if nobody else has made it."""
    name = "monitoring"
    made = cluster.get("", "namespace", name) is None
    if made:
        cluster.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        if made:
            cluster.kubectl("delete", "namespace", name, "--wait=false")


def python(cluster: Cluster, namespace: str, pod: str, program: str) -> bool:
    """Run a line of Python in *pod*; say whether it ended well."""
    command = ("-n", namespace, "exec", pod, "--", "python", "-c", program)
    return cluster.kubectl(*command, check=False).returncode == 0


def gets(cluster: Cluster, namespace: str, pod: str, url: str) -> bool:
    """Say whether *pod* gets an answer from *url* within three seconds, be it a refusal."""
    program = f"import requests; requests.get('{url}', timeout=3)"
    return python(cluster, namespace, pod, program)


def bystander(name: str) -> dict[str, object]:
    """Build a pod that answers on port 8000 and can be asked to ask others."""
    command = ["python", "-m", "http.server", "8000", "--directory", "/usr/share"]
    image = installed_image("OPERATOR_IMAGE")
    return restricted(name, image=image, container={"command": command})


def test_the_policy_blocks_what_it_should_and_nothing_else(
    cluster: Cluster, namespace: str
) -> None:
    """
    Every refusal is proven to be the policy's: without it the same request is answered.

    The pod's own probes come from its node, and are never cut off.
    """
    spec = {
        "replicas": 1,
        "resources": TINY,
        "rollout": {"minReadySeconds": 0},
        "server": {"metricsPort": METRICS_PORT},
    }
    client = bystander("client")
    client["metadata"] = {"name": "client", "labels": CLIENT}
    with prometheus_namespace(cluster) as monitoring:
        pods = (
            (namespace, client),
            (namespace, bystander("other")),
            (monitoring, bystander("scraper")),
        )
        for place, pod in pods:
            cluster.apply(place, pod)
        try:
            cluster.apply(namespace, model_server(NAME, networkPolicy=GUARDED, **spec))
            cluster.wait_ready(namespace, NAME, 90)
            for place, pod in pods:
                name = pod["metadata"]["name"]
                cluster.kubectl("-n", place, "wait", f"pod/{name}", "--for=condition=Ready")
            [server] = cluster.listing(namespace, "pods", f"modelserver.dev/name={NAME}")
            address = server["status"]["podIP"]
            api = f"http://{NAME}.{namespace}.svc/"
            metrics = f"http://{address}:{METRICS_PORT}/metrics"

            eventually(lambda: gets(cluster, namespace, "client", api), 20)
            assert not gets(cluster, namespace, "client", metrics)
            eventually(lambda: gets(cluster, monitoring, "scraper", metrics), 20)
            assert not gets(cluster, monitoring, "scraper", api)
            assert not gets(cluster, namespace, "other", api)
            assert not gets(cluster, namespace, "other", metrics)
            out = _ways_out(cluster, namespace)
            assert [python(cluster, namespace, _pod(cluster, namespace), way) for way in out] == [
                False
            ] * len(out)

            cluster.apply(namespace, model_server(NAME, networkPolicy={"policy": "None"}, **spec))
            eventually(lambda: cluster.get(namespace, "networkpolicy", NAME) is None, 10)
            eventually(lambda: gets(cluster, namespace, "other", api), 20)
            assert gets(cluster, namespace, "other", metrics)
            assert [python(cluster, namespace, _pod(cluster, namespace), way) for way in out] == [
                True
            ] * len(out)

            [after] = cluster.listing(namespace, "pods", f"modelserver.dev/name={NAME}")
            assert after["metadata"]["uid"] == server["metadata"]["uid"]
            assert after["status"]["containerStatuses"][0]["restartCount"] == 0
        finally:
            cluster.kubectl(
                "-n", monitoring, "delete", "pod", "scraper", "--ignore-not-found", "--wait=false"
            )


def _pod(cluster: Cluster, namespace: str) -> str:
    [pod] = cluster.listing(namespace, "pods", f"modelserver.dev/name={NAME}")
    return str(pod["metadata"]["name"])


def _ways_out(cluster: Cluster, namespace: str) -> list[str]:
    """Write programs that leave the pod: to a neighbour, to the name service, to the API server."""
    other = cluster.get(namespace, "pod", "other") or {}
    neighbour = other["status"]["podIP"]
    connect = "import socket; socket.create_connection(({!r}, {}), timeout=3)"
    resolve = "import socket; socket.getaddrinfo('kubernetes.default.svc', 443)"
    return [connect.format(neighbour, 8000), resolve, connect.format("10.96.0.1", 443)]
