"""Bad input is refused by the API server, with the operator stopped, and told what to write."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster_access import Cluster

from invalid_modelservers import INVALID, VALID, Invalid, model_server

pytestmark = pytest.mark.cluster

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.fixture(scope="module", autouse=True)
def operator_stopped(cluster: Cluster) -> Iterator[None]:
    """No operator runs: what is refused here is refused by the schema alone."""
    with cluster.without_operator():
        yield


@pytest.mark.parametrize("invalid", INVALID, ids=lambda invalid: invalid.mistake)
def test_a_mistake_is_refused_with_its_field(cluster: Cluster, invalid: Invalid) -> None:
    """The answer names the field and, where a rule of ours speaks, says what to write."""
    refusal = _dry_run(cluster, json.dumps(invalid.object))
    assert refusal.returncode != 0
    assert invalid.field in refusal.stderr
    assert invalid.says in refusal.stderr


def test_a_field_that_does_not_exist_is_refused(cluster: Cluster) -> None:
    """A typo is not silently dropped."""
    refusal = _dry_run(cluster, json.dumps(model_server(replica=2)))
    assert refusal.returncode != 0
    assert 'unknown field "spec.replica"' in refusal.stderr


@pytest.mark.parametrize("case", VALID)
def test_what_is_right_is_accepted(cluster: Cluster, case: str) -> None:
    """The refusals above are not because everything is refused."""
    accepted = _dry_run(cluster, json.dumps(VALID[case]))
    assert (accepted.returncode, accepted.stderr) == (0, "")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_accepted(cluster: Cluster, example: Path) -> None:
    """Whoever copies an example starts with something that works."""
    text = example.read_text(encoding="utf-8")
    with _namespaces(cluster, text):
        accepted = _dry_run(cluster, text)
    assert (accepted.returncode, accepted.stderr) == (0, "")


@contextlib.contextmanager
def _namespaces(cluster: Cluster, text: str) -> Iterator[None]:
    """Have the namespaces that *text* makes: a dry run makes none, and asks for them."""
    made = [body for body in yaml.safe_load_all(text) if body["kind"] == "Namespace"]
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    if made:
        cluster.kubectl("apply", "-f", "-", input=items)
    yield
    if made:
        cluster.kubectl("delete", "--wait=false", "-f", "-", input=items)


def _dry_run(cluster: Cluster, manifest: str) -> subprocess.CompletedProcess[str]:
    return cluster.kubectl("apply", "--dry-run=server", "-f", "-", input=manifest, check=False)
