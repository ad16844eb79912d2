"""An artifact: a folder with one model and the manifest that pins every byte of it."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from modelserver_runtime.errors import DigestMismatch, LoadError, ModelLoadFailed, ModelNotFound

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 8 * 1024 * 1024
MAX_MANIFEST_VALUES = 250_000
"""
Enough for 5,000 columns.

8 MB of `{},{},…` would become 3 GB of objects and complaints in a parser that ends the process when
there is no memory left.
"""
MAX_FILE_BYTES = 4 * 1024 * 1024 * 1024

Task = Literal["classification", "multilabel", "regression", "outlier-detection", "clustering"]
Label = int | float | str | bool
Scalar = float | int | bool | str | None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class File(_Part):
    """One file of the artifact."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]
    format: str | None = None
    """skops, onnx or joblib for a model file; none for the files that go with it."""

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts or "\\" in path or "\0" in path:
            raise ValueError("leaves the artifact's folder")
        return path


class Feature(_Part):
    """One input column."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    title: str | None = None
    type: Literal["float64", "int64", "bool", "string"] = "float64"
    nullable: bool = False
    minimum: float | None = None
    """Least value seen in training; with `maximum`, None for a column that has no order."""
    maximum: float | None = None
    categories: tuple[str, ...] | None = None
    """Texts seen in training, where they were few; others are refused if the model refuses them."""


class Output(_Part):
    """One output column."""

    name: str
    type: Literal["float64", "int64", "bool", "string"]
    shape: tuple[int, ...] = ()


class Signature(_Part):
    """What goes in and what comes out, in order."""

    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    outputs: tuple[Output, ...]

    @field_validator("features")
    @classmethod
    def _names_differ(cls, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        if len({feature.name for feature in features}) != len(features):
            raise ValueError("two features have one name")
        return features

    @property
    def is_numeric(self) -> bool:
        """Whether every column is a number or a truth value, so that a batch is one matrix."""
        return all(feature.type != "string" for feature in self.features)

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in the order the model wants them."""
        return tuple(feature.name for feature in self.features)


class Class(_Part):
    """One class of a classifier: the label the model returns and its name for people."""

    label: Label
    name: str


class Golden(_Part):
    """Rows and the exact answers scikit-learn gave when the artifact was made."""

    tolerance: Annotated[float, Field(ge=0, le=1e-3)]
    rows: Annotated[tuple[tuple[Scalar, ...], ...], Field(min_length=1)]
    predictions: tuple[Any, ...]
    probabilities: tuple[tuple[float, ...], ...] | None = None

    @model_validator(mode="after")
    def _every_row_has_its_answer(self) -> Self:
        # A row without an answer would be skipped, and the model called verified.
        if len(self.predictions) != len(self.rows):
            raise ValueError(f"{len(self.rows)} rows, but {len(self.predictions)} predictions")
        if self.probabilities is None:
            return self
        if len(self.probabilities) != len(self.rows):
            raise ValueError(f"{len(self.rows)} rows, but {len(self.probabilities)} probabilities")
        if len({len(row) for row in self.probabilities}) != 1:
            raise ValueError("the probabilities of the rows differ in length")
        return self


class Histogram(_Part):
    """How a column was distributed in training: counts[i] values in [edges[i], edges[i + 1])."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class Manifest(_Part):
    """`manifest.json`: what the artifact is, and the hash of every file in it."""

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    version: Annotated[str, Field(max_length=128)]
    description: str | None = None
    task: Task
    created: str
    files: tuple[File, ...]
    signature: Signature
    classes: tuple[Class, ...] | None = None
    metrics: Mapping[str, float] = {}
    framework_versions: Mapping[str, str] = {}
    golden: Golden | None = None
    baseline: Mapping[str, Histogram] = {}

    @field_validator("files")
    @classmethod
    def _paths_differ(cls, files: tuple[File, ...]) -> tuple[File, ...]:
        if len({PurePosixPath(file.path) for file in files}) != len(files):
            raise ValueError("two files have one path")
        return files

    @model_validator(mode="after")
    def _golden_rows_fit(self) -> Self:
        width = len(self.signature.features)
        if self.golden is not None and any(len(row) != width for row in self.golden.rows):
            raise ValueError(f"a golden row has not the {width} values of the signature")
        return self


@dataclass(frozen=True)
class Artifact:
    """An opened artifact: its manifest has been read, and is the one that was pinned."""

    folder: Path
    manifest: Manifest
    digest: str

    def read(self, file: File) -> bytes:
        """
        Read *file* once and return its bytes, checked.

        What is parsed later is what was hashed here: the file is not opened a second time.

        Raises:
            DigestMismatch: size or sha256 differ from the manifest's.
        """
        with _opened_below(self.folder, file.path, limit=file.size) as opened:
            content = opened.read()
        _require_digest(file, hashlib.sha256(content).hexdigest())
        return content

    def verify_files(self, *, besides: File | None = None) -> None:
        """Check every file but *besides*, which `read` has checked already; none is kept."""
        for file in self.manifest.files:
            if file is not besides:
                with _opened_below(self.folder, file.path, limit=file.size) as opened:
                    _require_digest(file, hashlib.file_digest(opened, "sha256").hexdigest())


Attest = Callable[[str, str], None]
"""Takes a file's path in the artifact and the sha256 it has; raises unless somebody signed that."""


def digest_of(content: bytes) -> str:
    """The digest of *content*, `sha256:…`; that of an artifact is its manifest's."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def open_artifact(folder: Path, *, pinned: str | None, attest: Attest | None = None) -> Artifact:
    """
    Read the manifest of the artifact in *folder* through one open file.

    Args:
        folder: where the artifact lies.
        pinned: the digest it must have (`sha256:…`); None accepts any.
        attest: is asked about the manifest before it is parsed, then about each file it lists.

    Raises:
        ModelNotFound, DigestMismatch, ModelLoadFailed, and what *attest* raises.
    """
    with _opened_below(folder, MANIFEST, limit=MAX_MANIFEST_BYTES) as opened:
        content = opened.read()
    digest = digest_of(content)
    if pinned is not None and digest != pinned:
        raise DigestMismatch(
            f"the artifact in {folder} has digest {digest}, but {pinned} is pinned"
        )
    if attest is not None:
        attest(MANIFEST, digest.removeprefix("sha256:"))
    if content.count(b",") > MAX_MANIFEST_VALUES:
        raise ModelLoadFailed(
            f"{folder / MANIFEST} is no manifest: more than {MAX_MANIFEST_VALUES} values"
        )
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelLoadFailed(
            f"{folder / MANIFEST} is no manifest: {where}: {first['msg']}"
        ) from error
    if attest is not None:
        for file in manifest.files:
            attest(file.path, file.sha256)
    return Artifact(folder, manifest, digest)


def read_beside(folder: Path, name: str, *, limit: int) -> bytes:
    """
    Read a file of at most *limit* bytes that is no part of the artifact.

    Raises:
        ModelNotFound, ModelLoadFailed, DigestMismatch.
    """
    with _opened_below(folder, name, limit=limit) as opened:
        return opened.read()


def _require_digest(file: File, digest: str) -> None:
    if digest != file.sha256:
        raise DigestMismatch(
            f"{file.path} has sha256:{digest}, but the manifest says sha256:{file.sha256}"
        )


@contextmanager
def _opened_below(folder: Path, path: str, *, limit: int) -> Iterator[BufferedReader]:
    """
    Open a file that has no more than *limit* bytes.

    Links are followed (ConfigMap volumes are links) but must not lead out.
    """
    try:
        root = folder.resolve(strict=True)
        target = (root / path).resolve(strict=True)
        if not target.is_relative_to(root):
            raise ModelLoadFailed(f"{folder / path} leads out of the artifact's folder")
        # Non-blocking: a named pipe in the folder must not hold the start for ever.
        descriptor = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ModelLoadFailed(f"{folder / path} is no file")
            # Asked before it is read: what is longer may not fit into memory.
            if found.st_size > limit:
                raise DigestMismatch(
                    f"{folder / path} is longer than the {limit} bytes it should have"
                )
            yield file
    except FileNotFoundError as error:
        raise ModelNotFound(f"{folder / path} does not exist") from error
    except LoadError:
        raise
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links
        raise ModelLoadFailed(f"{folder / path} cannot be read: {error}") from error
