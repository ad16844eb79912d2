"""The typed resource: what it accepts, what it refuses, and how it says so."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from invalid_modelservers import BUNDLED, INVALID, VALID, Invalid, model_server
from modelserver_operator.api import ModelServer
from modelserver_operator.api.quantity import amount, canonical
from modelserver_operator.errors import InvalidSpec

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def stored(body: dict[str, Any]) -> dict[str, Any]:
    """Add what the API server adds to *body* when it stores it."""
    given_by_server = {"namespace": "kitchen", "uid": "0b1e", "generation": 3}
    return {**body, "metadata": {**given_by_server, **body["metadata"]}}


def test_the_smallest_modelserver_needs_a_source_only() -> None:
    """Everything else has a default, or a meaning when it is absent."""
    server = ModelServer.parse(stored(model_server(model={"source": BUNDLED})))
    assert (server.name, server.namespace, server.uid, server.generation) == (
        "spam",
        "kitchen",
        "0b1e",
        3,
    )
    assert server.spec.model_dump(exclude_none=True, by_alias=True) == {
        "model": {
            "source": {"bundled": {"path": "/models/breast-cancer"}},
            "formats": ("skops", "onnx"),
        },
        "image": "",
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecrets": (),
        "resources": {
            "requests": {"cpu": "250m", "memory": "256Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
        "server": {
            "logLevel": "INFO",
            "maxBatchRows": 1000,
            "maxBodyBytes": 8_388_608,
            "maxConcurrency": 256,
            "requestTimeoutSeconds": 30,
            "loadTimeoutSeconds": 300,
            "drainSeconds": 8,
        },
        "service": {"type": "ClusterIP", "port": 80, "annotations": {}},
        "disruptionBudget": {"policy": "Default"},
        "networkPolicy": {"policy": "Restricted"},
        "monitoring": {"policy": "Auto", "interval": "30s", "labels": {}},
        "rollout": {"maxSurge": "25%", "minReadySeconds": 10, "progressDeadlineSeconds": 600},
        "scheduling": {"nodeSelector": {}, "tolerations": ()},
        "podMetadata": {"labels": {}, "annotations": {}},
        "serviceAccount": {"annotations": {}},
        "suspend": False,
    }


@pytest.mark.parametrize("invalid", INVALID, ids=lambda invalid: invalid.mistake)
def test_what_the_api_server_refuses_the_parser_refuses(invalid: Invalid) -> None:
    """An object stored under an older schema is named and explained by the same words."""
    with pytest.raises(InvalidSpec) as refusal:
        ModelServer.parse(stored(invalid.object))
    assert re.sub(r"\[([a-z]+)\]", r".\1", invalid.field) in str(refusal.value)
    assert invalid.says in str(refusal.value) or not invalid.cel


@pytest.mark.parametrize("case", VALID)
def test_what_the_api_server_accepts_the_parser_accepts(case: str) -> None:
    """A rule that is stricter here would stop an object that the user was told is right."""
    assert ModelServer.parse(stored(VALID[case])).spec


def test_several_mistakes_are_counted() -> None:
    """The first is explained; whoever mends it is not surprised by the next."""
    with pytest.raises(InvalidSpec, match=r"\(and 1 more wrong\)"):
        ModelServer.parse(stored(model_server(replicas=-1, imagePullPolicy="Daily")))


def test_fields_of_a_newer_version_are_ignored() -> None:
    """An operator that was rolled back goes on with what it understands."""
    body = model_server(replicas=2, teleport={"to": "moon"})
    assert ModelServer.parse(stored(body)) == ModelServer.parse(stored(model_server(replicas=2)))


def test_a_source_of_a_newer_version_is_no_source() -> None:
    """What the operator cannot honour it refuses, instead of serving nothing."""
    body = model_server(model={"source": {"hologram": {"name": "spam"}}})
    with pytest.raises(InvalidSpec, match=r"spec\.model\.source: write exactly one source"):
        ModelServer.parse(stored(body))


def test_a_parsed_server_is_frozen() -> None:
    """Builders read it, nobody edits it."""
    server = ModelServer.parse(stored(model_server()))
    with pytest.raises(ValidationError, match="frozen"):
        server.spec.replicas = 3  # type: ignore[misc]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_parses(example: Path) -> None:
    """Whoever copies an example starts with something that works."""
    documents = list(yaml.safe_load_all(example.read_text(encoding="utf-8")))
    servers = [body for body in documents if body["kind"] == "ModelServer"]
    assert servers
    for body in servers:
        assert ModelServer.parse(stored(body)).name == body["metadata"]["name"]


# Each right side was read back from an API server that was given the left one.
@pytest.mark.parametrize(
    ("written", "stored_as"),
    [
        (1, "1"),
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.5", "1500m"),
        ("1n", "1m"),
        ("1.0000000001", "1001m"),
        ("0Mi", "0"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("1000Mi", "1000Mi"),
        ("0.5Ki", "512"),
        ("0.3Ki", "307200m"),
        ("1000M", "1G"),
        ("10000000T", "10E"),
        ("1048576", "1048576"),
    ],
)
def test_quantities_are_written_as_the_api_server_does(written: object, stored_as: str) -> None:
    """Or a live object would never equal the desired one."""
    assert canonical(written) == stored_as


@given(st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,2})?(m|k|M|G|Ki|Mi|Gi|Ti)?", fullmatch=True))
def test_a_canonical_quantity_stays_as_it_is(written: str) -> None:
    """It is what the API server gives back, and is compared with itself from then on."""
    once = canonical(written)
    assert canonical(once) == once
    assert canonical(str(amount(once))) == canonical(str(amount(once)))
