"""What a person writes: the spec of a ModelServer."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from modelserver_operator.api.quantity import Quantity, amount
from modelserver_operator.api.wire import ListType, Rule, Wire, pattern

_OBJECT_NAME: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"

_IMAGE: Final = (
    r"([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[a-zA-Z0-9_][a-zA-Z0-9_.-]*)?(@sha256:[a-f0-9]{64})?"
)

ObjectName = Annotated[
    str,
    Field(max_length=253),
    pattern(
        _OBJECT_NAME,
        "must be the name of an object in this namespace: lowercase letters, digits, '-' and '.'",
    ),
]

Format = Literal["skops", "onnx", "joblib"]


class LocalReference(Wire):
    """An object in the namespace of the ModelServer."""

    name: ObjectName
    """Name of the object."""


class BundledSource(Wire):
    """A model that is part of the runtime image."""

    path: Annotated[
        str,
        Field(max_length=512),
        pattern(
            r"/models(/[a-zA-Z0-9_][a-zA-Z0-9_.-]*)+",
            "must be a folder below /models inside the image, written without '..' and without a"
            " slash at the end, such as /models/breast-cancer",
        ),
    ]
    """Folder of the artifact inside the image, below `/models`."""


class ConfigMapSource(Wire):
    """A small model, at most 1 MiB, in the `binaryData` of a ConfigMap."""

    name: ObjectName
    """ConfigMap in the namespace of the ModelServer, with one key for each file of the artifact."""


class ModelSource(Wire):
    """Where the artifact comes from: exactly one of the fields."""

    rules: ClassVar = (
        Rule(
            cel="has(self.bundled) != has(self.configMap)",
            holds=lambda self: (self.bundled is None) != (self.config_map is None),
            message="write exactly one source: bundled (a folder of the runtime image)"
            " or configMap (a model of at most 1 MiB)",
        ),
    )

    bundled: BundledSource | None = None
    """A folder of the runtime image."""

    config_map: ConfigMapSource | None = None
    """A ConfigMap that holds the files. Needs `digest`."""


class Model(Wire):
    """Which model is served, and what it must be."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.source.configMap) || has(self.digest)",
            holds=lambda self: self.source.config_map is None or self.digest is not None,
            message="a model from a ConfigMap needs its digest: write sha256: and what"
            " `sha256sum manifest.json` prints for the artifact",
            field="digest",
        ),
        Rule(
            cel="!has(self.formats) || !self.formats.exists(f, f == 'joblib') || has(self.digest)",
            holds=lambda self: "joblib" not in self.formats or self.digest is not None,
            message="a joblib file can run any code when it is loaded, so it needs its digest:"
            " write sha256: and what `sha256sum manifest.json` prints, or take joblib out of"
            " formats",
            field="digest",
        ),
    )

    name: (
        Annotated[
            str,
            Field(max_length=63),
            pattern(
                "[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?",
                "must be letters, digits, '-', '_' and '.', with a letter or digit at both ends:"
                " it is part of URLs and metrics",
            ),
        ]
        | None
    ) = None
    """
    Name of the model in URLs and metrics.

    Default: the name of the ModelServer.
    """

    version: (
        Annotated[
            str,
            Field(max_length=63),
            pattern(
                "[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?",
                "must be letters, digits, '-', '_' and '.', with a letter or digit at both ends,"
                ' such as "1.0.0"',
            ),
        ]
        | None
    ) = None
    """
    Version that the artifact must have.

    A pod that finds another one in the manifest does not start and says `VersionMismatch`. Put
    it in quotes: YAML reads 1.0 as a number. Default: any version.
    """

    source: ModelSource
    """Where the artifact comes from."""

    digest: (
        Annotated[
            str,
            Field(max_length=71),
            pattern(
                "sha256:[a-f0-9]{64}",
                "must be sha256: and 64 lowercase hex digits, as `sha256sum manifest.json` prints"
                " them for the artifact",
            ),
        ]
        | None
    ) = None
    """
    Digest of the artifact, which is the SHA-256 of its `manifest.json`.

    The manifest has the digests of all files, so this pins every byte. A pod that finds other
    bytes does not start and says `DigestMismatch`.
    """

    formats: Annotated[
        tuple[Format, ...],
        Field(min_length=1, max_length=3),
        ListType("atomic"),
        Rule(
            cel="self.all(f, self.exists_one(g, g == f))",
            holds=lambda formats: len(formats) == len(set(formats)),
            message="name each format once",
        ),
    ] = ("skops", "onnx")
    """
    Formats that may be loaded, the most wanted first: the first that the artifact has is taken.

    `joblib` must be named and needs `digest`, because loading it can run any code.
    """


_SHARED: Final = ("cpu", "memory", "ephemeral-storage")


def _named_as_kubernetes_does(amounts: dict[str, str]) -> bool:
    return all(name in _SHARED or name.startswith("hugepages-") or "/" in name for name in amounts)


def _requests_fit_limits(resources: "Resources") -> bool:
    limits = resources.limits or {}
    return all(
        name not in limits or amount(wanted) <= amount(limits[name])
        for name, wanted in (resources.requests or {}).items()
    )


def _devices_are_limited_to_the_request(resources: "Resources") -> bool:
    limits = resources.limits or {}
    return all(
        name in _SHARED or limits.get(name) == wanted
        for name, wanted in (resources.requests or {}).items()
    )


ResourceList = Annotated[
    dict[str, Quantity],
    Field(max_length=16),
    Rule(
        cel="self.all(k, k in ['cpu', 'memory', 'ephemeral-storage']"
        " || k.startsWith('hugepages-') || k.contains('/'))",
        holds=_named_as_kubernetes_does,
        message="resources are named cpu, memory, ephemeral-storage, hugepages-<size>, or as a"
        " device plugin names them, such as nvidia.com/gpu",
    ),
]


class Resources(Wire):
    """What each pod asks for and what it may use at most."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.requests) || !has(self.limits) || self.requests.all(k,"
            " !(k in self.limits) || !isQuantity(string(self.requests[k]))"
            " || !isQuantity(string(self.limits[k])) || quantity(string(self.requests[k]))"
            ".compareTo(quantity(string(self.limits[k]))) <= 0)",
            holds=_requests_fit_limits,
            message="no request may be larger than its limit: lower it here or raise it in limits",
            field="requests",
        ),
        Rule(
            cel="!has(self.requests) || self.requests.all(k,"
            " k in ['cpu', 'memory', 'ephemeral-storage']"
            " || has(self.limits) && k in self.limits && (!isQuantity(string(self.requests[k]))"
            " || !isQuantity(string(self.limits[k])) || quantity(string(self.requests[k]))"
            ".compareTo(quantity(string(self.limits[k]))) == 0))",
            holds=_devices_are_limited_to_the_request,
            message="devices and huge pages cannot be shared: write the same amount in limits,"
            " or write it in limits only",
            field="requests",
        ),
    )

    requests: ResourceList | None = None
    """What is kept free on the node for each pod."""

    limits: ResourceList | None = None
    """What each pod may use at most. The limit of `cpu` also sets its number of threads."""


class ModelServerSpec(Wire):
    """What is wanted."""

    model: Model
    """Which model is served, and what it must be."""

    image: Annotated[
        str,
        Field(max_length=512),
        pattern(
            f"({_IMAGE})?",
            "must be an image reference such as ghcr.io/acme/runtime:1.2.0, without https:// and"
            " spaces, the repository in lowercase; or leave it out for the operator's image",
        ),
    ] = ""
    """
    Image of the runtime.

    Default: the operator's default at the time of the last edit; a newer operator restarts no pod.
    """

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When a node pulls the image."""

    image_pull_secrets: Annotated[
        tuple[LocalReference, ...], Field(max_length=16), ListType("map", key="name")
    ] = ()
    """Secrets with the credentials of the image's registry."""

    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    """
    Pods to run.

    Left out, the server starts with 2 and the count is never touched again, so that an autoscaler
    of your own may have it. `kubectl scale` reads this field and writes it.
    """

    resources: Resources = Resources(
        requests={"cpu": "250m", "memory": "256Mi"}, limits={"cpu": "500m", "memory": "512Mi"}
    )
    """What each pod asks for and may use. Taken as a whole: what you leave out of it is not set."""

    suspend: bool = False
    """Run no pods, keep everything else. The number of replicas is remembered."""
