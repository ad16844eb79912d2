"""Specs that nobody should get past the API server, and what they must be told."""

from typing import Any, NamedTuple

DIGEST = "sha256:" + "0123456789abcdef" * 4
BUNDLED = {"bundled": {"path": "/models/breast-cancer"}}


class Invalid(NamedTuple):
    """One mistake: the field that the answer must name, and words that it must contain."""

    mistake: str
    object: dict[str, Any]
    field: str
    says: str
    cel: bool = True  # False: the API server's own words, for types, ranges and enums


def model_server(name: str = "spam", **spec: Any) -> dict[str, Any]:
    """Build a valid ModelServer, changed in what *spec* names."""
    return {
        "apiVersion": "modelserver.dev/v1alpha1",
        "kind": "ModelServer",
        "metadata": {"name": name},
        "spec": {"model": {"source": BUNDLED}, **spec},
    }


def _model(**model: Any) -> dict[str, Any]:
    return model_server(model={"source": BUNDLED, **model})


def _path(path: str) -> dict[str, Any]:
    return model_server(model={"source": {"bundled": {"path": path}}})


def _resources(**resources: Any) -> dict[str, Any]:
    return model_server(resources=resources)


_NAME = "metadata.name must start with a letter"
_PATH = "must be a folder below /models inside the image"
_BYTES = "must be sha256: and 64 lowercase hex digits"
_WORD = "with a letter or digit at both ends"
_IMAGE = "must be an image reference such as ghcr.io/acme/runtime:1.2.0"
_QUANTITY = "must be a quantity such as 500m, 2, 512Mi or 1Gi"

INVALID = (
    Invalid("name with a dot", model_server("spam.v2"), "metadata.name", _NAME),
    Invalid("name with a digit first", model_server("2spam"), "metadata.name", _NAME),
    Invalid("name too long for children", model_server("s" * 51), "metadata.name", _NAME),
    Invalid("no model", {**model_server(), "spec": {}}, "spec.model", "Required", cel=False),
    Invalid("no source", model_server(model={}), "spec.model.source", "Required", cel=False),
    Invalid("empty source", _model(source={}), "spec.model.source", "write exactly one source"),
    Invalid(
        "two sources",
        _model(source={**BUNDLED, "configMap": {"name": "spam"}}, digest=DIGEST),
        "spec.model.source",
        "write exactly one source: bundled",
    ),
    Invalid("path of the host", _path("/etc"), "spec.model.source.bundled.path", _PATH),
    Invalid("path that climbs", _path("/models/../etc"), "spec.model.source.bundled.path", _PATH),
    Invalid("relative path", _path("models/spam"), "spec.model.source.bundled.path", _PATH),
    Invalid("slash at the end", _path("/models/spam/"), "spec.model.source.bundled.path", _PATH),
    Invalid("hidden folder", _path("/models/.spam"), "spec.model.source.bundled.path", _PATH),
    Invalid(
        "path missing",
        _model(source={"bundled": {}}),
        "spec.model.source.bundled.path",
        "Required",
        cel=False,
    ),
    Invalid(
        "configMap without digest",
        _model(source={"configMap": {"name": "spam"}}),
        "spec.model.digest",
        "a model from outside the image needs its digest: write sha256:",
    ),
    Invalid(
        "configMap name in capitals",
        _model(source={"configMap": {"name": "Spam"}}, digest=DIGEST),
        "spec.model.source.configMap.name",
        "must be the name of an object in this namespace",
    ),
    Invalid("short digest", _model(digest="sha256:abc"), "spec.model.digest", _BYTES),
    Invalid("digest in capitals", _model(digest=DIGEST.upper()), "spec.model.digest", _BYTES),
    Invalid("digest without sha256:", _model(digest="0" * 64), "spec.model.digest", _BYTES),
    Invalid(
        "digest too long", _model(digest=DIGEST + "0"), "spec.model.digest", "may not be", cel=False
    ),
    Invalid("no format", _model(formats=[]), "spec.model.formats", "at least 1", cel=False),
    Invalid(
        "unknown format",
        _model(formats=["pickle"]),
        "spec.model.formats[0]",
        '"skops", "onnx", "joblib"',
        cel=False,
    ),
    Invalid(
        "format twice",
        _model(formats=["onnx", "onnx"]),
        "spec.model.formats",
        "name each format once",
    ),
    Invalid(
        "joblib without digest",
        _model(formats=["skops", "joblib"]),
        "spec.model.digest",
        "a joblib file can run any code when it is loaded, so it needs its digest",
    ),
    Invalid(
        "version read as a number",
        _model(version=1.0),
        "spec.model.version",
        "must be of type string",
        cel=False,
    ),
    Invalid("version with a space", _model(version="1 0"), "spec.model.version", _WORD),
    Invalid("version empty", _model(version=""), "spec.model.version", _WORD),
    Invalid("model name with a slash", _model(name="team/spam"), "spec.model.name", _WORD),
    Invalid("model name of 64", _model(name="s" * 64), "spec.model.name", "63", cel=False),
    Invalid("image as a URL", model_server(image="https://ghcr.io/a/b"), "spec.image", _IMAGE),
    Invalid("image with a space", model_server(image="a/b :1"), "spec.image", _IMAGE),
    Invalid("image in capitals", model_server(image="ghcr.io/Acme/B"), "spec.image", _IMAGE),
    Invalid("short image digest", model_server(image="a/b@sha256:12"), "spec.image", _IMAGE),
    Invalid(
        "unknown pull policy",
        model_server(imagePullPolicy="Daily"),
        "spec.imagePullPolicy",
        '"Always", "IfNotPresent", "Never"',
        cel=False,
    ),
    Invalid(
        "secret without a name",
        model_server(imagePullSecrets=[{}]),
        "spec.imagePullSecrets[0].name",
        "Required",
        cel=False,
    ),
    Invalid(
        "negative replicas",
        model_server(replicas=-1),
        "spec.replicas",
        "greater than or equal to 0",
        cel=False,
    ),
    Invalid(
        "replicas beyond 1000",
        model_server(replicas=1001),
        "spec.replicas",
        "less than or equal to 1000",
        cel=False,
    ),
    Invalid(
        "replicas as text",
        model_server(replicas="two"),
        "spec.replicas",
        "must be of type integer",
        cel=False,
    ),
    Invalid(
        "half a replica",
        model_server(replicas=1.5),
        "spec.replicas",
        "must be of type integer",
        cel=False,
    ),
    Invalid(
        "no quantity", _resources(limits={"cpu": "half"}), "spec.resources.limits[cpu]", _QUANTITY
    ),
    Invalid(
        "decimal comma", _resources(limits={"cpu": "0,5"}), "spec.resources.limits[cpu]", _QUANTITY
    ),
    Invalid(
        "unit with a b",
        _resources(limits={"memory": "1GB"}),
        "spec.resources.limits[memory]",
        _QUANTITY,
    ),
    Invalid(
        "negative quantity",
        _resources(limits={"memory": "-1Gi"}),
        "spec.resources.limits[memory]",
        _QUANTITY,
    ),
    Invalid(
        "request above its limit",
        _resources(requests={"cpu": 1}, limits={"cpu": "500m"}),
        "spec.resources.requests",
        "no request may be larger than its limit",
    ),
    Invalid(
        "unknown resource",
        _resources(limits={"mem": "1Gi"}),
        "spec.resources.limits",
        "resources are named cpu, memory",
    ),
    Invalid(
        "device asked for without limit",
        _resources(requests={"nvidia.com/gpu": 1}),
        "spec.resources.requests",
        "write the same amount in limits",
    ),
    Invalid(
        "suspend as text",
        model_server(suspend="maybe"),
        "spec.suspend",
        "must be of type boolean",
        cel=False,
    ),
)
