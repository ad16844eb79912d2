"""What `modelserver manifest` prints is what the API server and the operator take."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelserver_operator.api import ModelServer
from modelserver_operator.children.configmap import runtime_environment
from modelserver_runtime.settings import from_environment
from runtime.command import modelserver
from runtime.process import BUNDLED

ROOT = Path(__file__).resolve().parents[2]
CRD = yaml.safe_load((ROOT / "crds" / "modelservers.yaml").read_text(encoding="utf-8"))
SCHEMA = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
DIGEST = modelserver("digest", BUNDLED).out.strip()


def unknown_fields(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Fields that the schema does not have, or values of another type."""
    kinds = {"object": dict, "string": str, "integer": int, "array": list, "boolean": bool}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        yield f"{path} is no {schema['type']}"
    if isinstance(value, dict) and "properties" in schema:
        for name, below in value.items():
            if name not in schema["properties"]:
                yield f"{path}.{name}"
            else:
                yield from unknown_fields(below, schema["properties"][name], f"{path}.{name}")
        yield from (f"no {path}.{n}" for n in schema.get("required", ()) if n not in value)


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ((), {"configMap": {"name": "mine-1.0.0"}}),
        (("--source", "configmap:mine"), {"configMap": {"name": "mine"}}),
        (
            ("--source", "pvc:models/cancer/1"),
            {"persistentVolumeClaim": {"claimName": "models", "path": "cancer/1"}},
        ),
        (("--source", "pvc:models"), {"persistentVolumeClaim": {"claimName": "models"}}),
        (("--source", "bundled:/models/a"), {"bundled": {"path": "/models/a"}}),
        (("--source", "https://a.test/b.tgz"), {"http": {"url": "https://a.test/b.tgz"}}),
        (("--source", "http://a.test:80/b"), {"http": {"url": "http://a.test:80/b"}}),
        (("--source", "s3://models/a/1/"), {"s3": {"bucket": "models", "key": "a/1/"}}),
        (
            ("--source", f"image:ghcr.io/a/b@sha256:{'0' * 64}"),
            {"image": {"reference": f"ghcr.io/a/b@sha256:{'0' * 64}"}},
        ),
        (
            (
                *("--source", "https://a.test/b.tgz", "--credentials", "store"),
                *("--ca", "ours/ca.crt", "--max-bytes", "1024", "--timeout-seconds", "86400"),
            ),
            {
                "http": {
                    "url": "https://a.test/b.tgz",
                    "credentialsSecret": {"name": "store"},
                    "caBundle": {"configMap": {"name": "ours", "key": "ca.crt"}},
                    "maxBytes": 1024,
                    "timeoutSeconds": 86_400,
                }
            },
        ),
        (
            (
                *("--source", "s3://models/a/1/", "--credentials", "store", "--ca", "ours/ca.crt"),
                *("--endpoint", "https://store.test:9000", "--region", "eu-west-1", "--path-style"),
                *("--max-bytes", "68719476736", "--timeout-seconds", "1"),
            ),
            {
                "s3": {
                    "bucket": "models",
                    "key": "a/1/",
                    "credentialsSecret": {"name": "store"},
                    "caBundle": {"configMap": {"name": "ours", "key": "ca.crt"}},
                    "endpoint": "https://store.test:9000",
                    "region": "eu-west-1",
                    "pathStyle": True,
                    "maxBytes": 68_719_476_736,
                    "timeoutSeconds": 1,
                }
            },
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_source(options: tuple[str, ...], source: dict[str, Any]) -> None:
    """The CRD has each field; the operator reads it; the runtime gets the digest."""
    done = modelserver("manifest", BUNDLED, *options, "--name", "mine", "--namespace", "ml")
    assert done.code == 0, done.err
    *config_maps, server = yaml.safe_load_all(done.out)
    properties = SCHEMA["properties"]
    assert list(unknown_fields(server["spec"], properties["spec"])) == []
    server["metadata"] |= {"uid": "1", "generation": 1}
    parsed = ModelServer.parse(server)
    assert (parsed.name, parsed.namespace) == ("mine", "ml")
    assert server["spec"]["model"]["source"] == source
    settings = from_environment(runtime_environment(parsed))
    assert (settings.model_digest, settings.model_version) == (DIGEST, "1.0.0")
    assert [c["metadata"]["namespace"] for c in config_maps] == ["ml"] * ("configMap" in source)


def test_a_signature_key() -> None:
    """The artifact must be signed for it, wherever it comes from."""
    for source in ("configmap", "pvc:models"):
        done = modelserver(
            "manifest", BUNDLED, "--source", source, "--signature-key", "keys/acme.pub"
        )
        assert done.code == 0, done.err
        *_, server = yaml.safe_load_all(done.out)
        assert list(unknown_fields(server["spec"], SCHEMA["properties"]["spec"])) == []
        server["metadata"] |= {"uid": "1", "generation": 1, "namespace": "ml"}
        signature = ModelServer.parse(server).spec.model.signature
        assert signature is not None
        key = signature.public_key.config_map
        assert (key.name, key.key) == ("keys", "acme.pub")
