"""Golden examples: rows, and the answers that scikit-learn gave to them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.artifact import Feature, Golden
from modelserver_runtime.engines import Outcome, Rows
from modelserver_runtime.errors import NotPackable
from modelserver_runtime.packing.features import is_missing
from modelserver_runtime.packing.sample import Sample, columns_of, rows_of

GOLDEN_ROWS = 12
GOLDEN_TOLERANCE = 1e-9


def chosen_rows(sample: Sample, examples: Any) -> Rows:
    """The rows to record: *examples*, or, where that is None, some of the sample."""
    if examples is not None:
        return rows_of(columns_of(examples), sample.features)
    rows = sample.rows
    chosen = set(np.linspace(0, len(rows) - 1, GOLDEN_ROWS).astype(int).tolist())
    for i, feature in enumerate(sample.features):
        missing = is_missing(rows[:, i])
        if feature.nullable and missing.any():  # what becomes of a missing value is worth one
            chosen.add(int(missing.argmax()))
    return rows[sorted(chosen)]


def golden(features: Sequence[Feature], examples: Rows, outcome: Outcome) -> Golden:
    """
    Record *outcome*, the answers to *examples*.

    Raises:
        NotPackable: an answer is no number that JSON has.
    """
    for answers in (outcome.predictions, outcome.probabilities):
        if answers is not None and answers.dtype.kind == "f" and not np.isfinite(answers).all():
            raise NotPackable("the model answers NaN or infinity to one of its own rows")
    columns = [
        [None if missing else _SCALARS[feature.type](cell) for cell, missing in cells]
        for feature, cells in zip(features, map(_cells, examples.T), strict=True)
    ]
    probabilities = outcome.probabilities
    return Golden(
        tolerance=GOLDEN_TOLERANCE,
        rows=tuple(zip(*columns, strict=True)),
        predictions=tuple(outcome.predictions.tolist()),
        probabilities=None if probabilities is None else tuple(map(tuple, probabilities.tolist())),
    )


_SCALARS: Mapping[str, type] = {"float64": float, "int64": int, "bool": bool, "string": str}


def _cells(column: NDArray[Any]) -> Iterable[tuple[Any, bool]]:
    return zip(column.tolist(), is_missing(column).tolist(), strict=True)
