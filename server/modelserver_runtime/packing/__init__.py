"""
Makes an artifact of a fitted estimator: model files, and the manifest that describes them.

`sample` turns training rows into features and rows as requests bring them, `made_up` does the same
where there are no rows; `golden`, `answers`, `baseline` and `scores` are parts of the manifest, and
`model_files` the bytes it pins.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from modelserver_runtime.artifact import MANIFEST, Manifest, Signature, digest_of
from modelserver_runtime.engines import Outcome, OutOfRange, Rows
from modelserver_runtime.engines.reference import reference_engine
from modelserver_runtime.errors import ModelLoadFailed, NotPackable
from modelserver_runtime.packing.answers import (
    classes,
    name_of,
    outputs,
    require_fitted,
    task_of,
)
from modelserver_runtime.packing.golden import GOLDEN_ROWS, chosen_rows, golden
from modelserver_runtime.packing.made_up import made_up_sample
from modelserver_runtime.packing.model_files import (
    ModelFile,
    entry,
    framework_versions,
    written,
)
from modelserver_runtime.packing.sample import Sample
from modelserver_runtime.packing.scores import scores

__all__ = ["GOLDEN_ROWS", "Description", "ModelFile", "Sample", "pack"]

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

# What an estimator raises for rows that it cannot compute with.
_REFUSALS = (
    ModelLoadFailed,
    OutOfRange,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Description:
    """
    What cannot be seen in an estimator.

    Args:
        name: of the artifact.
        titles: of features, for people, by the features' names.
        class_names: for people, in the order of the estimator's classes.
        metrics: such as accuracy and f1_score.
        target: what the model should answer to each training row; metrics are computed with it.
        examples: rows to record the answers of; default: some of the training rows.
        formats: of the model files to write.
        created: time stamp of the manifest and of the entries of zip files.
        other_files: names of files in the folder that belong to the artifact.
    """

    name: str
    version: str = "1.0.0"
    description: str | None = None
    titles: Mapping[str, str] = field(default_factory=dict)
    class_names: Sequence[str] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    target: Any = None
    examples: Any = None
    formats: Sequence[str] = ("skops",)
    created: datetime = _EPOCH
    other_files: Sequence[str] = ()


def pack(
    estimator: Any,
    training: Any,
    folder: Path,
    described: Description,
    *,
    given: Sequence[ModelFile] = (),
) -> str:
    """
    Write *estimator* and its manifest to *folder*.

    Args:
        estimator: fitted.
        training: the rows it was fitted on, as it got them: array, DataFrame or list of texts; or
            a sample; or None: the recorded examples are then made from what the estimator knows.
        folder: made when it is not there.
        described: what else belongs into the manifest.
        given: model files that exist already and are taken as they are.

    Returns:
        The artifact's digest.

    Raises:
        NotPackable: the estimator cannot predict, does not fit the rows, a column is of a type no
            request can have, or the description breaks a rule of manifests.
    """
    try:
        return _pack(estimator, training, folder, described, given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NotPackable(f"the manifest cannot have this {where}: {first['msg']}") from error


def _pack(
    estimator: Any,
    training: Any,
    folder: Path,
    described: Description,
    given: Sequence[ModelFile],
) -> str:
    require_fitted(estimator)
    sample = _sample(estimator, training).titled(described.titles)
    sample.require_width_of(estimator)
    examples = chosen_rows(sample, described.examples)
    outcome = _answer(estimator, sample, examples)
    task = task_of(estimator, outcome)
    known = classes(estimator, outcome, described.class_names)
    metrics = dict(described.metrics)
    if described.target is not None:
        answers = _answer(estimator, sample, sample.rows)
        metrics = scores(answers, described.target, task, known) | metrics
    manifest = Manifest(
        schema_version=1,
        name=described.name,
        version=described.version,
        description=described.description,
        task=task,
        created=described.created.isoformat().replace("+00:00", "Z"),
        signature=Signature(features=sample.features, outputs=outputs(outcome)),
        classes=known,
        framework_versions=framework_versions(described.formats),
        golden=golden(sample.features, examples, outcome),
        baseline=sample.baseline,
        metrics=metrics,
        files=(),
    )
    models = [*given, *_files_to_write(estimator, described, given)]
    folder.mkdir(parents=True, exist_ok=True)
    for model in models:
        (folder / model.path).write_bytes(model.content)
    others = [entry(name, (folder / name).read_bytes()) for name in described.other_files]
    files = (*(entry(m.path, m.content, m.format) for m in models), *others)
    return _write(manifest.model_copy(update={"files": files}), folder)


def _sample(estimator: Any, training: Any) -> Sample:
    if training is None:
        return made_up_sample(estimator)
    return training if isinstance(training, Sample) else Sample.of(training)


def _answer(estimator: Any, sample: Sample, rows: Rows) -> Outcome:
    try:
        return reference_engine(estimator, sample.features).run(rows)
    except _REFUSALS as error:
        raise NotPackable(
            f"the {name_of(estimator)} cannot answer {sample.origin}: {error}"
        ) from error


def _files_to_write(
    estimator: Any, described: Description, given: Sequence[ModelFile]
) -> list[ModelFile]:
    there = {file.format for file in given}
    return [
        written(estimator, format_, described.created)
        for format_ in described.formats
        if format_ not in there
    ]


def _write(manifest: Manifest, folder: Path) -> str:
    content = json.dumps(manifest.model_dump(mode="json", exclude_none=True), indent=1) + "\n"
    (folder / MANIFEST).write_text(content, encoding="utf-8")
    return digest_of(content.encode())
