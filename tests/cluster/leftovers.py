"""What a test session that was killed left in the cluster, taken away before the next begins."""

import re

from cluster_access import Cluster, eventually
from nodes import nodes

OURS = re.compile(r"test-[a-z-]+-[0-9a-f]{8}")
"""The names of the namespaces and the volumes that tests make."""
TROUBLE_LABEL = "test.modelserver.dev/trouble"
"""The label of the policies that refuse what a test applies."""


def take_away_leftovers(cluster: Cluster) -> None:
    """
    Begin with two nodes that take pods, and with all the room on them.

    Old pods ask for CPU: with them the pods of this session are put on one node, or on none.
    """
    for node in nodes(cluster):
        cluster.kubectl("uncordon", node)
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        cluster.kubectl("delete", kind, "-l", TROUBLE_LABEL)
    for kind in ("namespace", "persistentvolume"):
        if names := _ours(cluster, kind):
            cluster.kubectl("delete", kind, *names, "--wait=false", "--ignore-not-found")
    eventually(
        lambda: not _ours(cluster, "namespace"), 120, lambda: str(_ours(cluster, "namespace"))
    )


def _ours(cluster: Cluster, kind: str) -> list[str]:
    """Name the objects of *kind* that only tests can have made."""
    names = cluster.kubectl("get", kind, "-o", "jsonpath={.items[*].metadata.name}").stdout.split()
    return [name for name in names if OURS.fullmatch(name)]
