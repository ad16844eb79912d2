"""Does an engine say what scikit-learn says, also where a rounding error would show."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.artifact import Feature, Golden, Signature
from modelserver_runtime.engines import FLOAT32_MAX, Engine, Outcome, Rows

TOLERANCE = 1e-12
RANDOM_ROWS = 1024
SINGLE_ROWS = 16
MISSING_SHARE = 0.1
MAX_SPLITS = 20_000
BATCH_ROWS = 4096
MAX_SECONDS = 5.0

Splits = tuple[NDArray[np.int64], NDArray[np.float64]]
NO_SPLITS: Splits = (np.zeros(0, np.int64), np.zeros(0))


def made_up_rows(signature: Signature, golden: Golden | None, seed: int = 0) -> Iterator[Rows]:
    """
    Batches to compare with, the most telling first.

    Models may refuse the first, of random values over the ranges seen in training and beyond: an
    encoder, for one, that knows five codes. The second has only values of golden rows, shuffled
    within each column.
    """
    chance = np.random.default_rng(seed)
    seen = _golden_rows(signature, golden)
    columns = [
        _random_column(feature, None if seen is None else seen[:, i], chance)
        for i, feature in enumerate(signature.features)
    ]
    known = [column for column in columns if column is not None]
    if len(known) == len(columns):
        drawn = np.column_stack(known)
        yield drawn if seen is None else np.vstack([seen, drawn])
    if seen is not None:
        drawn = np.column_stack([chance.choice(column, RANDOM_ROWS) for column in seen.T])
        yield np.vstack([seen, drawn])


def _golden_rows(signature: Signature, golden: Golden | None) -> Rows | None:
    if golden is None:
        return None
    dtype = np.float64 if signature.is_numeric else object
    return np.array([list(row) for row in golden.rows], dtype=dtype)


def _random_column(
    feature: Feature, seen: Rows | None, chance: np.random.Generator
) -> NDArray[Any] | None:
    """None for texts of which none is known."""
    if feature.type == "string":
        known = feature.categories or (None if seen is None else sorted(set(seen) - {None}))
        if not known:
            return None
        column = chance.choice(np.array(known, dtype=object), RANDOM_ROWS)
    else:
        low, high = (
            (-3.0, 3.0)
            if feature.minimum is None or feature.maximum is None
            else (feature.minimum, feature.maximum)
        )
        reach = (high - low) / 2
        column = chance.uniform(low - reach, high + reach, RANDOM_ROWS)
        if feature.type == "int64":
            column = np.round(column)
        if feature.type == "bool":
            column = np.clip(np.round(column), 0, 1)
    if feature.nullable:
        column[chance.random(RANDOM_ROWS) < MISSING_SHARE] = (
            None if feature.type == "string" else np.nan
        )
    return column


@dataclass(frozen=True, eq=False)
class Answered:
    """Rows with what scikit-learn said about them."""

    rows: Rows
    outcome: Outcome


def disagreement(
    engine: Engine, reference: Engine, answered: Answered, splits: Splits = NO_SPLITS
) -> tuple[str | None, int]:
    """
    Compare *engine* with *reference*.

    Returns:
        What they disagree on, or None; and how many rows were compared.
    """
    rows, want = answered.rows, answered.outcome
    singles = [slice(i, i + 1) for i in range(min(SINGLE_ROWS, len(rows)))]
    checked = 0
    for part in (*singles, slice(None)):  # one row may be computed in another way than many
        checked += len(rows[part])
        difference = _difference(engine.run(rows[part]), want.of(part))
        if difference is not None:
            return difference, checked
    ends = time.monotonic() + MAX_SECONDS
    for batch in _rows_on_splits(rows, splits):
        checked += len(batch)
        difference = _difference(engine.run(batch), reference.run(batch))
        if difference is not None:
            return f"{difference} on a split's threshold", checked
        if time.monotonic() > ends:
            break
    return None, checked


def _difference(got: Outcome, want: Outcome) -> str | None:
    numeric = want.predictions.dtype.kind == "f"
    same = _close if numeric else np.array_equal
    if not same(got.predictions, want.predictions):
        return "another value" if numeric else "another label"
    if not _close(got.probabilities, want.probabilities):
        return "another probability"
    return None if _close(got.confidence, want.confidence) else "another confidence"


def _close(got: NDArray[Any] | None, want: NDArray[Any] | None) -> bool:
    if got is None or want is None:
        return got is want
    scale = np.maximum(1.0, np.abs(want))
    if got.shape != want.shape:
        return False
    # Equal first: infinite values, and NaN where both have it.
    with np.errstate(invalid="ignore"):
        close = np.abs(got - want) <= TOLERANCE * scale
    return bool((close | (got == want) | (np.isnan(got) & np.isnan(want))).all())


def _rows_on_splits(rows: Rows, splits: Splits) -> Iterator[Rows]:
    """Rows with one feature on a threshold, and a step to either side in float64 and float32."""
    features, thresholds = splits
    # Histogram boosting splits missing from present at infinity, which no row may contain.
    usable = np.abs(thresholds) < FLOAT32_MAX  # also leaves out NaN, of a column without any scale
    features, thresholds = features[usable], thresholds[usable]
    chance = np.random.default_rng(1)
    order = chance.permutation(len(features))[:MAX_SPLITS]
    features, thresholds = features[order], thresholds[order]
    single = thresholds.astype(np.float32)
    values = np.stack(
        [
            thresholds,
            np.nextafter(thresholds, np.inf),
            np.nextafter(thresholds, -np.inf),
            single.astype(np.float64),
            np.nextafter(single, np.float32(np.inf)).astype(np.float64),
            np.nextafter(single, np.float32(-np.inf)).astype(np.float64),
        ],
        axis=1,
    ).ravel()
    columns = np.repeat(features, 6)
    for start in range(0, len(values), BATCH_ROWS):
        part = slice(start, start + BATCH_ROWS)
        batch = rows[chance.integers(len(rows), size=len(values[part]))].copy()
        batch[np.arange(len(batch)), columns[part]] = values[part]
        yield batch
