"""Bad input is refused by the API server, with the operator stopped, and told what to write."""

import json
from pathlib import Path
from typing import Any

import pytest

from invalid_modelservers import INVALID, Invalid, model_server

pytestmark = pytest.mark.cluster

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("invalid", INVALID, ids=lambda invalid: invalid.mistake)
def test_a_mistake_is_refused_with_its_field(
    cluster: Any, namespace: str, invalid: Invalid
) -> None:
    """Only the schema speaks here: nothing is stored, and the operator is not asked."""
    refusal = _dry_run(cluster, namespace, invalid.object)
    assert refusal.returncode != 0
    assert f"{invalid.field}" in refusal.stderr
    assert invalid.says in refusal.stderr


def test_a_field_that_does_not_exist_is_refused(cluster: Any, namespace: str) -> None:
    """A typo is not silently dropped."""
    refusal = _dry_run(cluster, namespace, model_server(replica=2))
    assert refusal.returncode != 0
    assert 'unknown field "spec.replica"' in refusal.stderr


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"replicas": 0},
        {"image": ""},
        {"resources": {}},
        {"resources": {"limits": {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": 1}}},
    ],
    ids=str,
)
def test_what_is_right_is_accepted(cluster: Any, namespace: str, spec: dict[str, Any]) -> None:
    """The refusals above are not because everything is refused."""
    accepted = _dry_run(cluster, namespace, model_server(**spec))
    assert (accepted.returncode, accepted.stderr) == (0, "")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_accepted(cluster: Any, namespace: str, example: Path) -> None:
    """Whoever copies an example starts with something that works."""
    accepted = cluster.kubectl(
        "apply", "--dry-run=server", "-n", namespace, "-f", str(example), check=False
    )
    assert (accepted.returncode, accepted.stderr) == (0, "")


def _dry_run(cluster: Any, namespace: str, body: dict[str, Any]) -> Any:
    return cluster.kubectl(
        "apply", "--dry-run=server", "-n", namespace, "-f", "-", input=json.dumps(body), check=False
    )
