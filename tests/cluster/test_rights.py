"""
The chart grants what the operator uses, and nothing else: the audit log against the rules.

Runs after every other test of the cluster (see `conftest.py`), whose requests it counts.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
import yaml
from cluster_access import OPERATOR, ROOT, SYSTEM, Cluster, eventually

pytestmark = pytest.mark.cluster

CHART = ROOT / "charts" / "modelserver-operator"
CHANGES = {"create", "update", "patch", "delete"}


class Right(NamedTuple):
    """One verb on one resource."""

    group: str
    resource: str
    verb: str


def rendered(cluster: Cluster, *settings: str) -> list[dict[str, Any]]:
    """Render the roles that the chart binds to the operator."""
    chart = (OPERATOR, str(CHART), "--namespace", SYSTEM, "--kube-version", "1.31")
    command = ("helm", "template", *chart, *settings)
    bodies = [body for body in yaml.safe_load_all(cluster.run(*command)) if body]
    bound = {
        (body["roleRef"]["kind"], body["roleRef"]["name"]) for body in bodies if "roleRef" in body
    }
    return [body for body in bodies if (body["kind"], body["metadata"]["name"]) in bound]


def granted(roles: Iterable[dict[str, Any]]) -> set[Right]:
    """Take the rules apart into single rights."""
    return {
        Right(group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(event: dict[str, Any]) -> set[Right]:
    """
    Say which rights a request needed.

    A server-side apply that makes the object is a patch that needs the right to create, too.
    """
    reference = event["objectRef"]
    resource = "/".join(filter(None, [reference["resource"], reference.get("subresource")]))
    verbs = {event["verb"]}
    if event["verb"] == "patch" and event["responseStatus"]["code"] == 201:
        verbs.add("create")
    return {Right(reference.get("apiGroup", ""), resource, verb) for verb in verbs}


@pytest.mark.parametrize("settings", [(), ("--set", "watchNamespaces={team}")], ids=["all", "one"])
def test_nothing_dangerous_is_granted(cluster: Cluster, settings: tuple[str, ...]) -> None:
    """No wildcard, no Secret, no way into or onto a pod, whatever the scope."""
    rights = granted(rendered(cluster, *settings))
    assert rights
    assert not [right for right in rights if "*" in right]
    assert not [right for right in rights if right.resource == "secrets"]
    pods = {right for right in rights if right.resource.split("/")[0] == "pods"}
    assert {(right.resource, right.verb) for right in pods} <= {
        ("pods", "list"),
        ("pods", "watch"),
    }
    own = [right for right in rights if right.group == "modelserver.dev"]
    assert {r.resource for r in own if r.verb in ("create", "update", "patch", "delete")} == {
        "modelservers/status"
    }


@pytest.mark.parametrize(
    ("role", "verbs"),
    [("admin", CHANGES | {"get"}), ("edit", CHANGES | {"get"}), ("view", {"get"})],
)
def test_people_get_their_rights_from_kubernetes_own_roles(
    cluster: Cluster, namespace: str, role: str, verbs: set[str]
) -> None:
    """Whoever may edit Deployments may edit ModelServers; only the operator writes the status."""
    binding = ("create", "rolebinding", "jane", "--user=jane", f"--clusterrole={role}")
    cluster.kubectl("-n", namespace, *binding)

    def may(verb: str, subresource: str = "") -> bool:
        what = ("modelservers.modelserver.dev", f"--subresource={subresource}")
        question = ("-n", namespace, "auth", "can-i", "--as=jane", verb, *what)
        return cluster.kubectl(*question, check=False).stdout.strip() == "yes"

    # One of Kubernetes' own controllers adds the rules.
    eventually(lambda: {verb for verb in CHANGES | {"get"} if may(verb)} == verbs, 20)
    assert may("patch", "scale") is ("patch" in verbs)
    assert may("get", "status")
    assert not may("patch", "status")


def test_nothing_was_refused(cluster: Cluster) -> None:
    """No request of the whole session lacked a right."""
    assert [
        f"{event['verb']} {event['requestURI']}"
        for event in cluster.operator_requests()
        if event["annotations"]["authorization.k8s.io/decision"] != "allow"
    ] == []


def test_every_right_was_used(cluster: Cluster, request: pytest.FixtureRequest) -> None:
    """Each verb that the chart grants, in this session; what nobody needed has to go."""
    here = {path.name for path in (ROOT / "tests" / "cluster").glob("test_*.py")}
    if here - {item.path.name for item in request.session.items}:
        pytest.skip("only the whole of tests/cluster uses every right")
    cluster.kubectl("-n", SYSTEM, "delete", "lease", OPERATOR)  # made before the session began
    eventually(lambda: cluster.get(SYSTEM, "lease", OPERATOR), 60)
    needed = set().union(*(used(e) for e in cluster.operator_requests() if "objectRef" in e))
    assert sorted(granted(rendered(cluster)) - needed) == []
