"""Makes an artifact of a fitted estimator: model files, and the manifest that describes them."""

import hashlib
import io
import json
import platform
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
import skops
import skops.io
from numpy.typing import NDArray
from sklearn import __version__ as sklearn_version
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector

from modelserver_runtime.artifact import (
    MANIFEST,
    Class,
    Feature,
    File,
    Golden,
    Histogram,
    Manifest,
    Output,
    Signature,
    Task,
)
from modelserver_runtime.engines import Outcome, Rows
from modelserver_runtime.engines.sklearn import SklearnEngine
from modelserver_runtime.errors import NotPackable

GOLDEN_ROWS = 12
GOLDEN_TOLERANCE = 1e-9
HISTOGRAM_BINS = 10
MAX_CATEGORIES = 1000
FILE_NAMES: Mapping[str, str] = {"skops": "model.skops", "joblib": "model.joblib"}

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

ColumnType = Literal["float64", "int64", "bool", "string"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Description:
    """
    What cannot be seen in an estimator.

    Args:
        name: of the artifact.
        titles: of the features, for people.
        class_names: for people, in the order of the estimator's classes.
        metrics: such as accuracy and f1_score.
        examples: rows to record the answers of; default: some of the training rows.
        created: time stamp of the manifest and of the entries of zip files.
        other_files: names of files in the folder that belong to the artifact.
    """

    name: str
    version: str = "1.0.0"
    description: str | None = None
    titles: Sequence[str] | None = None
    class_names: Sequence[str] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    examples: Any = None
    formats: Sequence[str] = ("skops",)
    created: datetime = _EPOCH
    other_files: Sequence[str] = ()


def pack(estimator: Any, training: Any, folder: Path, described: Description) -> str:
    """
    Write *estimator* and its manifest to *folder*.

    Args:
        estimator: fitted.
        training: the rows it was fitted on, as it got them: array, DataFrame or list of texts.
        folder: made when it is not there.
        described: what else belongs into the manifest.

    Returns:
        The artifact's digest.

    Raises:
        NotPackable: the estimator cannot predict, or a column is of a type no request can have.
    """
    if not hasattr(estimator, "predict"):
        raise NotPackable(f"{type(estimator).__name__} has no predict")
    table = _Table.of(training)
    features = tuple(
        _feature(table, i, described.titles[i] if described.titles else None)
        for i in range(len(table.names))
    )
    rows = _rows(table, features)
    examples = _examples(described, features, rows)
    outcome = SklearnEngine(estimator, features).run(examples)
    folder.mkdir(parents=True, exist_ok=True)
    for format_ in described.formats:
        file = folder / FILE_NAMES[format_]
        file.write_bytes(_WRITERS[format_](estimator, described.created))
    manifest = Manifest(
        schema_version=1,
        name=described.name,
        version=described.version,
        description=described.description,
        task=_task(estimator, outcome),
        created=described.created.isoformat().replace("+00:00", "Z"),
        signature=Signature(features=features, outputs=_outputs(outcome)),
        classes=_classes(estimator, outcome, described.class_names),
        framework_versions=_framework_versions(),
        golden=_golden(features, examples, outcome),
        baseline=_baseline(features, rows),
        metrics=described.metrics,
        files=_files(folder, described),
    )
    content = json.dumps(manifest.model_dump(mode="json", exclude_none=True), indent=1) + "\n"
    (folder / MANIFEST).write_text(content)
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class _Table:
    """Training rows by column, whatever they came in."""

    names: tuple[str, ...]
    columns: tuple[NDArray[Any], ...]

    @classmethod
    def of(cls, training: Any) -> "_Table":
        if hasattr(training, "columns"):
            names = tuple(map(str, training.columns))
            return cls(names, tuple(np.asarray(training[name]) for name in training.columns))
        matrix = np.asarray(training)
        if matrix.ndim == 1:  # texts
            return cls(("text",), (matrix.astype(object),))
        names = tuple(f"feature_{i + 1}" for i in range(matrix.shape[1]))
        return cls(names, tuple(matrix.T))


def _feature(table: _Table, i: int, title: str | None) -> Feature:
    name, column = table.names[i], table.columns[i]
    missing = _is_missing(column)
    present = column[~missing]
    type_ = _column_type(name, column, present)
    nullable = bool(missing.any())
    if type_ == "string":
        seen = sorted(set(map(str, present)))
        # Texts are no categories.
        few = len(seen) <= min(MAX_CATEGORIES, max(2, len(column) // 2))
        return Feature(
            name=name,
            title=title,
            type=type_,
            nullable=nullable,
            categories=tuple(seen) if few else None,
        )
    return Feature(
        name=name,
        title=title,
        type=type_,
        nullable=nullable,
        minimum=float(present.min()) if len(present) else None,
        maximum=float(present.max()) if len(present) else None,
    )


def _is_missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    if column.dtype.kind == "f":
        nan: NDArray[np.bool_] = np.isnan(column)
        return nan
    if column.dtype.kind != "O":
        return np.zeros(len(column), np.bool_)
    # pandas has several things that mean missing; none of them equals itself.
    return np.array([cell is None or not _equals_itself(cell) for cell in column], np.bool_)


def _equals_itself(cell: Any) -> bool:
    try:
        return bool(cell == cell)  # noqa: PLR0124 - NaN does not
    except TypeError:  # pandas.NA refuses to be a truth value
        return False


def _column_type(name: str, column: NDArray[Any], present: NDArray[Any]) -> ColumnType:
    kind = column.dtype.kind
    if kind == "O":
        kinds = {type(cell) for cell in present}
        if kinds <= {str, np.str_}:
            return "string"
        kind = np.array(present.tolist()).dtype.kind if str not in kinds else kind
    for letters, type_ in _TYPES_OF_KINDS:
        if kind in letters:
            return type_
    raise NotPackable(f"column {name} holds {column.dtype}, which no JSON value is")


_TYPES_OF_KINDS: tuple[tuple[str, ColumnType], ...] = (
    ("f", "float64"),
    ("iu", "int64"),
    ("b", "bool"),
    ("U", "string"),
)


def _rows(table: _Table, features: Sequence[Feature]) -> Rows:
    """The training rows as a request would bring them."""
    numeric = all(feature.type != "string" for feature in features)
    if numeric:
        return np.column_stack([np.asarray(c, dtype=np.float64) for c in table.columns])
    rows = np.empty((len(table.columns[0]), len(features)), dtype=object)
    for i, (column, feature) in enumerate(zip(table.columns, features, strict=True)):
        cells = column.astype(object)
        cells[_is_missing(column)] = None if feature.type == "string" else np.nan
        rows[:, i] = cells
    return rows


def _examples(described: Description, features: Sequence[Feature], rows: Rows) -> Rows:
    if described.examples is not None:
        return _rows(_Table.of(described.examples), features)
    chosen = set(np.linspace(0, len(rows) - 1, GOLDEN_ROWS).astype(int).tolist())
    for i, feature in enumerate(features):
        if feature.nullable:  # what becomes of a missing value is worth an example
            chosen.add(int(_is_missing(rows[:, i]).argmax()))
    return rows[sorted(chosen)]


def _golden(features: Sequence[Feature], examples: Rows, outcome: Outcome) -> Golden:
    columns = [
        [None if missing else _SCALARS[feature.type](cell) for cell, missing in cells]
        for feature, cells in zip(features, map(_cells, examples.T), strict=True)
    ]
    rows = tuple(zip(*columns, strict=True))
    probabilities = outcome.probabilities
    return Golden(
        tolerance=GOLDEN_TOLERANCE,
        rows=rows,
        predictions=tuple(outcome.predictions.tolist()),
        probabilities=None if probabilities is None else tuple(map(tuple, probabilities.tolist())),
    )


_SCALARS: Mapping[str, type] = {"float64": float, "int64": int, "bool": bool, "string": str}


def _cells(column: NDArray[Any]) -> Iterable[tuple[Any, bool]]:
    return zip(column.tolist(), _is_missing(column).tolist(), strict=True)


def _task(estimator: Any, outcome: Outcome) -> Task:
    if is_outlier_detector(estimator):
        return "outlier-detection"
    if is_clusterer(estimator):
        return "clustering"
    if not is_classifier(estimator):
        return "regression"
    return "multilabel" if _is_multilabel(outcome) else "classification"


def _is_multilabel(outcome: Outcome) -> bool:
    return outcome.predictions.ndim > 1 and bool(np.isin(outcome.predictions, (0, 1)).all())


def _outputs(outcome: Outcome) -> tuple[Output, ...]:
    predictions = outcome.predictions
    type_ = next((t for letters, t in _TYPES_OF_KINDS if predictions.dtype.kind in letters), None)
    prediction = Output(
        name="prediction", type=type_ or "string", shape=tuple(predictions.shape[1:])
    )
    if outcome.probabilities is None:
        return (prediction,)
    shape = tuple(outcome.probabilities.shape[1:])
    return prediction, Output(name="probability", type="float64", shape=shape)


def _classes(
    estimator: Any, outcome: Outcome, names: Sequence[str] | None
) -> tuple[Class, ...] | None:
    labels = getattr(estimator, "classes_", None)
    if not is_classifier(estimator) or labels is None:
        return None
    if _is_multilabel(outcome):
        labels = list(range(outcome.predictions.shape[1]))
    elif outcome.predictions.ndim > 1:
        return None
    else:
        labels = np.asarray(labels).tolist()
    return tuple(
        Class(label=label, name=str(names[i]) if names else str(label))
        for i, label in enumerate(labels)
    )


def _baseline(features: Sequence[Feature], rows: Rows) -> dict[str, Histogram]:
    columns = {
        feature.name: rows[:, i].astype(np.float64)
        for i, feature in enumerate(features)
        if feature.type in ("float64", "int64")
    }
    return {name: _histogram(column) for name, column in columns.items()}


def _histogram(column: NDArray[np.float64]) -> Histogram:
    """Deciles of a column in training, with how many values lie in each."""
    column = column[~np.isnan(column)]
    if not len(column):
        return Histogram(edges=(), counts=())
    edges = np.unique(np.quantile(column, np.linspace(0, 1, HISTOGRAM_BINS + 1)))
    if len(edges) == 1:
        return Histogram(edges=(float(edges[0]),) * 2, counts=(len(column),))
    counts, edges = np.histogram(column, bins=edges)
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))


def _files(folder: Path, described: Description) -> tuple[File, ...]:
    models = [_file(folder / FILE_NAMES[format_], format_) for format_ in described.formats]
    return (*models, *(_file(folder / name, None) for name in described.other_files))


def _file(path: Path, format_: str | None) -> File:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return File(path=path.name, sha256=digest, size=len(content), format=format_)


def _framework_versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "scikit-learn": sklearn_version,
        "numpy": np.__version__,
        "joblib": joblib.__version__,
        "skops": skops.__version__,
    }


def _skops_bytes(estimator: Any, created: datetime) -> bytes:
    """A skops file whose entries carry the time given, not the time of day."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as made,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in sorted(made.namelist()):
            entry = zipfile.ZipInfo(name, created.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, made.read(name))
    return out.getvalue()


def _joblib_bytes(estimator: Any, created: datetime) -> bytes:
    del created  # joblib files carry no time
    out = io.BytesIO()
    joblib.dump(estimator, out)
    return out.getvalue()


_WRITERS = {"skops": _skops_bytes, "joblib": _joblib_bytes}
