"""Which model is served: where it comes from, and what it must be."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from modelserver_operator.api.signature import Signature
from modelserver_operator.api.source import ModelSource
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

    signature: Annotated[Signature | None, WhenAbsent("not checked")] = None
    """
    A signature that the artifact must have, made with model-signing.

    It says who made the artifact, where the digest says what it is. A pod that finds none, or one
    by another key, does not start and says `SignatureInvalid`.
    """
