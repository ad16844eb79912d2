"""Which model is served: where it comes from, and what it must be."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from modelserver_operator.api.reference import ObjectName
from modelserver_operator.api.wire import ListType, Rule, WhenAbsent, Wire, pattern

Format = Literal["skops", "onnx", "joblib"]

ServedName = Annotated[
    str,
    Field(max_length=63),
    pattern(
        "[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?",
        "must be letters, digits, '-', '_' and '.', with a letter or digit at both ends: it is"
        " part of URLs and metrics",
    ),
]

# A label holds it, so it follows the rules of label values.
Version = Annotated[
    str,
    Field(max_length=63),
    pattern(
        "[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?",
        "must be letters, digits, '-', '_' and '.', with a letter or digit at both ends, such as"
        ' "1.0.0"',
    ),
]

Digest = Annotated[
    str,
    Field(max_length=71),
    pattern(
        "sha256:[a-f0-9]{64}",
        "must be sha256: and 64 lowercase hex digits, as `sha256sum manifest.json` prints them for"
        " the artifact",
    ),
]


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


class PersistentVolumeClaimSource(Wire):
    """A model on a volume, which the pods mount read-only."""

    claim_name: ObjectName
    """PersistentVolumeClaim in the namespace of the ModelServer."""

    path: Annotated[
        Annotated[
            str,
            Field(max_length=512),
            pattern(
                r"[a-zA-Z0-9_][a-zA-Z0-9_.-]*(/[a-zA-Z0-9_][a-zA-Z0-9_.-]*)*",
                "must be a folder inside the volume, written without '..' and without a slash at"
                " either end, such as models/breast-cancer",
            ),
        ]
        | None,
        WhenAbsent("the volume's root"),
    ] = None
    """Folder of the artifact inside the volume."""


class ModelSource(Wire):
    """Where the artifact comes from: exactly one of the fields."""

    rules: ClassVar = (
        Rule(
            cel="[has(self.bundled), has(self.configMap), has(self.persistentVolumeClaim)]"
            ".exists_one(given, given)",
            holds=lambda self: len(self.given) == 1,
            message="write exactly one source: bundled (a folder of the runtime image),"
            " configMap (a model of at most 1 MiB) or persistentVolumeClaim (a volume)",
        ),
    )

    bundled: BundledSource | None = None
    """A folder of the runtime image."""

    config_map: ConfigMapSource | None = None
    """A ConfigMap that holds the files. Needs `digest`."""

    persistent_volume_claim: PersistentVolumeClaimSource | None = None
    """A volume that holds the files. Needs `digest`."""

    @property
    def given(self) -> frozenset[str]:
        """Names of the sources that were written."""
        return frozenset(name for name, source in self if source is not None)


class Model(Wire):
    """Which model is served, and what it must be."""

    rules: ClassVar = (
        Rule(
            cel="has(self.source.bundled) || has(self.digest)",
            holds=lambda self: self.source.bundled is not None or self.digest is not None,
            message="a model from outside the image needs its digest: write sha256: and what"
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

    name: Annotated[ServedName | None, WhenAbsent("the name of the ModelServer")] = None
    """Name of the model in URLs and metrics."""

    version: Annotated[Version | None, WhenAbsent("not checked")] = None
    """
    Version that the artifact must have.

    A pod that finds another one in the manifest does not start and says `VersionMismatch`. Put
    it in quotes: YAML reads 1.0 as a number.
    """

    source: ModelSource
    """Where the artifact comes from."""

    digest: Annotated[Digest | None, WhenAbsent("not checked")] = None
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
