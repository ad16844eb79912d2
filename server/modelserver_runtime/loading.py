"""From a path to a model that may be served: what must hold before a pod is Ready, in order."""

import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import structlog

from modelserver_runtime import formats
from modelserver_runtime.artifact import (
    MANIFEST,
    Artifact,
    Class,
    Feature,
    File,
    Manifest,
    Output,
    Signature,
    digest_of,
    open_artifact,
)
from modelserver_runtime.engines import Engine, OutOfRange, Rows
from modelserver_runtime.engines.onnx_estimator import OnnxClassifier, OnnxEstimator
from modelserver_runtime.engines.reference import reference_engine
from modelserver_runtime.errors import (
    DigestMismatch,
    ModelLoadFailed,
    ModelNotFound,
    ModelTooLarge,
    SignatureInvalid,
    UnsafeFormat,
    VersionMismatch,
)
from modelserver_runtime.golden import require_golden
from modelserver_runtime.memory_limit import SHARE, container_memory_bytes, limited_memory
from modelserver_runtime.model import Cost, ServedModel
from modelserver_runtime.settings import Settings
from modelserver_runtime.signature_check import signed_with

if TYPE_CHECKING:
    from modelserver_runtime.engines.selection import Choice

log = structlog.get_logger()

T = TypeVar("T")

_FORMAT_OF_SUFFIX = {".skops": "skops", ".joblib": "joblib", ".onnx": "onnx"}
_IF_VERSIONS_DIFFER = {"skops": "warn", "joblib": "refuse"}
_NO_WORD = re.compile(r"[^A-Za-z0-9_]")
_WARM_UP_RUNS = 20
_LEAST_RUNS = 3
_WARM_UP_SECONDS = 0.2
_WARM_UP_ROWS = 64


@dataclass(frozen=True)
class _Verified:
    """
    The bytes of a model file that may be parsed.

    Args:
        manifest: None for a file without one.
        digest: of the artifact, or of the lone file.
    """

    content: bytes
    path: Path
    format: str
    digest: str
    manifest: Manifest | None


@dataclass(frozen=True)
class _Parsed:
    """An estimator out of verified bytes, with what is known about it."""

    estimator: Any
    manifest: Manifest
    digest: str
    format: str


def load(settings: Settings) -> ServedModel:
    """
    Load the model that *settings* name; returns only what may be served.

    Raises:
        LoadError: one of its classes, with a sentence that says what to do.
    """
    started = time.perf_counter()
    limit = settings.memory_limit_bytes or container_memory_bytes()
    try:
        with limited_memory(limit):
            verified = _verified(settings)
        formats.import_for(verified.format)
        with limited_memory(limit):
            parsed = _parse(verified, settings)
            del verified  # the bytes are not needed twice
            model = _proven(parsed, settings)
    except MemoryError as error:
        raise ModelTooLarge(limit, SHARE) from error
    log.info(
        "model loaded",
        model=model.name,
        version=model.version,
        digest=model.digest,
        format=model.format,
        engine=model.engine.name,
        engine_reason=model.engine_reason,
        first_row_microseconds=round(model.cost.first_row_seconds * 1e6, 1),
        next_row_microseconds=round(model.cost.next_row_seconds * 1e6, 1),
        seconds=round(time.perf_counter() - started, 3),
    )
    return model


def _proven(parsed: _Parsed, settings: Settings) -> ServedModel:
    """Have the model answer what it must answer before anybody else asks it."""
    _require_shape(parsed.estimator, parsed.manifest)
    golden, signature = parsed.manifest.golden, parsed.manifest.signature
    reference = reference_engine(parsed.estimator, signature.features)
    if golden is not None:
        outcome = _run(lambda: reference.run(as_rows(golden.rows, signature)))
        require_golden(outcome, parsed.manifest, golden)
    choice = _run(lambda: _choose(parsed.estimator, parsed.manifest, reference))
    return ServedModel(
        name=settings.model_name or parsed.manifest.name,
        digest=parsed.digest,
        format=parsed.format,
        manifest=parsed.manifest,
        engine=choice.engine,
        engine_reason=choice.reason,
        rows_checked=choice.rows_checked,
        cost=_warm_up(choice.engine, parsed.manifest),
    )


def _verified(settings: Settings) -> _Verified:
    path = settings.model_path
    if not path.exists():
        raise ModelNotFound(f"{path} does not exist")
    if path.is_dir():
        artifact = _open(path, settings)
        return _verified_file(artifact, _allowed_file(artifact, settings), settings)
    if (path.parent / MANIFEST).exists():
        artifact = _open(path.parent, settings)
        return _verified_file(artifact, _named_file(artifact, path), settings)
    return _lone_file(path, settings)


def _open(folder: Path, settings: Settings) -> Artifact:
    attest = None
    if settings.signature_key_file is not None:
        attest = signed_with(settings.signature_key_file, folder)
    return open_artifact(folder, pinned=settings.model_digest, attest=attest)


def _allowed_file(artifact: Artifact, settings: Settings) -> File:
    """The first of the allowed formats that the manifest lists decides."""
    models = {file.format: file for file in artifact.manifest.files if file.format is not None}
    for allowed in settings.model_formats:
        if allowed not in models:
            continue
        if allowed == "joblib" and settings.model_digest is None:
            raise UnsafeFormat(
                "a joblib file can run any code, so it is loaded only when the artifact's digest "
                f"is pinned: pin {artifact.digest}"
            )
        return models[allowed]
    there = ", ".join(sorted(str(format_) for format_ in models)) or "no model file"
    raise UnsafeFormat(
        f"the artifact has {there}, but allowed are {', '.join(settings.model_formats)}"
    )


def _named_file(artifact: Artifact, path: Path) -> File:
    """Naming a file allows its format; its bytes must still be those of the manifest."""
    for file in artifact.manifest.files:
        if file.path == path.name and file.format is not None:
            return file
    raise DigestMismatch(f"{path} is not among the model files of the {MANIFEST} beside it")


def _verified_file(artifact: Artifact, file: File, settings: Settings) -> _Verified:
    manifest = artifact.manifest
    wanted = settings.model_version
    if wanted is not None and manifest.version != wanted:
        raise VersionMismatch(
            f"the artifact has version {manifest.version}, but {wanted} is wanted"
        )
    content = artifact.read(file)
    artifact.verify_files(besides=file)
    path = artifact.folder / file.path
    return _Verified(content, path, str(file.format), artifact.digest, manifest)


def _parse(verified: _Verified, settings: Settings) -> _Parsed:
    manifest, format_ = verified.manifest, verified.format
    if manifest is not None:
        _require_framework(manifest, format_, settings)
    estimator = formats.parse(verified.content, format_, verified.path.name)
    if manifest is None:
        manifest = _manifest_of(estimator, verified.path, settings)
    elif isinstance(estimator, OnnxEstimator):
        estimator = _with_classes(estimator, manifest)
    return _Parsed(estimator, manifest, verified.digest, format_)


def _with_classes(estimator: OnnxEstimator, manifest: Manifest) -> OnnxEstimator:
    """Not every ONNX file tells its classes; those of the manifest are tried on golden rows."""
    golden = manifest.golden
    has_probabilities = golden is not None and golden.probabilities is not None
    if manifest.classes is None or not has_probabilities or isinstance(estimator, OnnxClassifier):
        return estimator
    return estimator.with_classes([c.label for c in manifest.classes])


def _require_framework(manifest: Manifest, format_: str, settings: Settings) -> None:
    """An estimator is laid out as its scikit-learn minor version wants it."""
    if format_ == "onnx":
        return
    import sklearn  # noqa: PLC0415 - imported when the bytes were known to be right

    made_by = manifest.framework_versions.get("scikit-learn")
    ours = sklearn.__version__
    if made_by is None or made_by.split(".")[:2] == ours.split(".")[:2]:
        return
    # A skops file names each part of an estimator, a pickle does not: what fits no more is noticed
    # in the one, and may answer nonsense in the other.
    if (settings.version_mismatch or _IF_VERSIONS_DIFFER[format_]) == "refuse":
        raise VersionMismatch(
            f"the {format_} file was made by scikit-learn {made_by}, but this runtime has {ours}"
        )
    log.warning("made by another scikit-learn", made_by=made_by, runtime=ours)


def _lone_file(path: Path, settings: Settings) -> _Verified:
    """A model file without a manifest: what is known of it is what the estimator itself can say."""
    if settings.signature_key_file is not None:
        raise SignatureInvalid(f"{path} has no {MANIFEST} and no signature beside it")
    format_ = _FORMAT_OF_SUFFIX.get(path.suffix)
    if format_ is None:
        raise UnsafeFormat(f"{path} ends in none of {', '.join(sorted(_FORMAT_OF_SUFFIX))}")
    if format_ == "joblib" and not settings.trust_unpinned_joblib:
        raise UnsafeFormat(
            f"{path} is a joblib file, which can run any code, and has no {MANIFEST} beside it: "
            "make one with `modelserver pack`, or set MODELSERVER_TRUST_UNPINNED_JOBLIB=true "
            "for a file of your own"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelLoadFailed(f"{path} cannot be read: {error}") from error
    digest = digest_of(content)
    if settings.model_digest is not None and settings.model_digest != digest:
        raise DigestMismatch(f"{path} has digest {digest}, but {settings.model_digest} is pinned")
    return _Verified(content, path, format_, digest, None)


def _manifest_of(estimator: Any, path: Path, settings: Settings) -> Manifest:
    width = getattr(estimator, "n_features_in_", None)
    if not isinstance(width, int):
        raise ModelLoadFailed(
            f"{path} holds no fitted estimator that says how many columns it takes"
        )
    names = getattr(estimator, "feature_names_in_", None)
    types = estimator.column_types(width) if isinstance(estimator, OnnxEstimator) else None
    features = [
        Feature(
            name=str(names[i]) if names is not None else f"feature_{i + 1}",
            type=types[i] if types is not None else "float64",
        )
        for i in range(width)
    ]
    labels = getattr(estimator, "classes_", None)
    classes = (
        tuple(Class(label=label, name=str(label)) for label in labels.tolist())
        if isinstance(labels, np.ndarray) and labels.ndim == 1
        else None
    )
    return Manifest(
        schema_version=1,
        name=settings.model_name or path.stem,
        version=settings.model_version or "0",
        task="classification" if classes else "regression",
        created="unknown",
        files=(),
        signature=Signature(
            features=tuple(features),
            outputs=(Output(name="prediction", type="float64"),),
        ),
        classes=classes,
        framework_versions={"python": platform.python_version()},
    )


def _require_shape(estimator: Any, manifest: Manifest) -> None:
    if not hasattr(estimator, "predict"):
        raise ModelLoadFailed(f"the file holds a {type(estimator).__name__}, which has no predict")
    width = getattr(estimator, "n_features_in_", None)
    described = len(manifest.signature.features)
    if width is not None and width != described:
        raise ModelLoadFailed(
            f"the model takes {width} features, but the manifest describes {described}"
        )
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and not _are_names_of(estimator, manifest.signature.names):
        raise ModelLoadFailed(
            f"the model was trained on the columns {', '.join(map(str, names))}, "
            f"but the manifest describes {', '.join(manifest.signature.names)}"
        )
    if manifest.classes is None or manifest.task == "multilabel":
        return
    if isinstance(estimator, OnnxEstimator) and not isinstance(estimator, OnnxClassifier):
        return  # it tells labels only one by one: the golden examples have them
    labels = [c.label for c in manifest.classes]
    learned = np.asarray(getattr(estimator, "classes_", [])).tolist()
    if learned != labels:
        raise ModelLoadFailed(
            f"the model knows the classes {learned}, but the manifest describes {labels}"
        )


def _are_names_of(estimator: Any, described: tuple[str, ...]) -> bool:
    names = tuple(map(str, estimator.feature_names_in_))
    if isinstance(estimator, OnnxEstimator):  # skl2onnx writes `home_town` for `home town`
        described = tuple(_NO_WORD.sub("_", name) for name in described)
        names = tuple(_NO_WORD.sub("_", name) for name in names)
    return names == described


def as_rows(rows: Any, signature: Signature) -> Rows:
    """Rows of JSON values as a batch: float64 where every column is a number, else objects."""
    return np.array(
        [list(row) for row in rows], dtype=np.float64 if signature.is_numeric else object
    )


_REFUSALS = (OutOfRange, ValueError, TypeError, AttributeError, LookupError, ArithmeticError)


def _run(work: Callable[[], T]) -> T:
    """Whatever a damaged or ill-described model raises while it computes is a failed load."""
    try:
        return work()
    except _REFUSALS as error:
        raise ModelLoadFailed(
            f"the model cannot answer a row of its own signature: {error}"
        ) from error


def _choose(estimator: Any, manifest: Manifest, reference: Engine) -> "Choice":
    # Imported here: scikit-learn's tree takes a second, and the port should be open before.
    from modelserver_runtime.engines.selection import choose  # noqa: PLC0415

    return choose(estimator, manifest, reference)


def _warm_up(engine: Engine, manifest: Manifest) -> Cost:
    """Answer rows until nothing is first any more, and measure what they cost."""
    row = _typical_row(manifest)
    one = _median_seconds(engine, row)
    many = _median_seconds(engine, np.repeat(row, _WARM_UP_ROWS, axis=0))
    return Cost(one, max(0.0, (many - one) / (_WARM_UP_ROWS - 1)))


def _median_seconds(engine: Engine, rows: Rows) -> float:
    times: list[float] = []
    while len(times) < _WARM_UP_RUNS and (
        len(times) < _LEAST_RUNS or sum(times) < _WARM_UP_SECONDS
    ):
        started = time.perf_counter()
        _run(lambda: engine.run(rows))
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def _typical_row(manifest: Manifest) -> Rows:
    if manifest.golden is not None and manifest.golden.rows:
        return as_rows(manifest.golden.rows[:1], manifest.signature)
    middle = [
        ((f.minimum or 0.0) + (f.maximum or 0.0)) / 2 if f.type != "string" else ""
        for f in manifest.signature.features
    ]
    return as_rows([middle], manifest.signature)
