"""One operator works, the other stands by, and takes over when the first ends."""

from collections.abc import Callable
from typing import Any

import pytest
from cluster_access import OPERATOR, SYSTEM, Cluster, eventually, model_server

pytestmark = pytest.mark.cluster


def holder(cluster: Cluster) -> str:
    """Name the pod that leads; empty where none does."""
    lease: dict[str, Any] = cluster.get(SYSTEM, "lease", OPERATOR) or {"spec": {}}
    identity = str(lease["spec"].get("holderIdentity") or "")
    return identity.rpartition("-")[0]  # the rest is the number of the process


def end(cluster: Cluster, leader: str) -> None:
    """End the leader as a rollout or a drain does."""
    cluster.kubectl("-n", SYSTEM, "delete", "pod", leader, "--wait=false")


def kill(cluster: Cluster, leader: str) -> None:
    """Kill the leader's process, which has no time to give its Lease back."""
    pod = cluster.get(SYSTEM, "pod", leader) or {}
    [container] = pod["status"]["containerStatuses"]
    identity = container["containerID"].removeprefix("containerd://")
    task = ("ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL", identity)
    cluster.run("docker", "exec", pod["spec"]["nodeName"], *task)


@pytest.mark.parametrize(("stop", "seconds"), [(end, 5), (kill, 15)], ids=["ended", "killed"])
def test_work_goes_on_without_the_leader(
    cluster: Cluster, namespace: str, stop: Callable[[Cluster, str], None], seconds: float
) -> None:
    """What is asked for in the moment after it ended is done soon, by whoever leads then."""
    cluster.wait_operator()
    eventually(lambda: holder(cluster), 20)
    stop(cluster, holder(cluster))
    cluster.apply(namespace, model_server("after", suspend=True))
    eventually(
        lambda: cluster.condition(namespace, "after", "Ready").get("status") == "True", seconds
    )
    cluster.wait_operator()


def test_a_lease_that_is_gone_is_made_again(cluster: Cluster, namespace: str) -> None:
    """By one of them, which then leads."""
    cluster.wait_operator()
    cluster.kubectl("-n", SYSTEM, "delete", "lease", OPERATOR)
    eventually(lambda: holder(cluster), 20)
    cluster.apply(namespace, model_server("after", suspend=True))
    eventually(lambda: cluster.condition(namespace, "after", "Ready").get("status") == "True", 20)
