"""Does an engine say what scikit-learn says, also where a rounding error would show."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.artifact import Feature, Manifest
from modelserver_runtime.engines import FLOAT32_MAX, Engine, Outcome, Rows

TOLERANCE = 1e-12
RANDOM_ROWS = 1024
SINGLE_ROWS = 16
NAN_SHARE = 0.1
MAX_SPLITS = 20_000
BATCH_ROWS = 4096
MAX_SECONDS = 5.0

Splits = tuple[NDArray[np.int64], NDArray[np.float64]]
NO_SPLITS: Splits = (np.zeros(0, np.int64), np.zeros(0))


def random_rows(manifest: Manifest, seed: int = 0) -> Rows:
    """Rows over the ranges seen in training and beyond, and the golden ones."""
    chance = np.random.default_rng(seed)
    features = manifest.signature.features
    low, high = (np.array(bound) for bound in zip(*map(_range, features), strict=True))
    reach = (high - low) * 0.5
    rows: Rows = chance.uniform(low - reach, high + reach, (RANDOM_ROWS, len(features)))
    for i, feature in enumerate(features):
        if feature.type in ("int64", "bool"):
            rows[:, i] = np.round(rows[:, i])
        if feature.type == "bool":
            rows[:, i] = np.clip(rows[:, i], 0, 1)
        if feature.nullable:
            rows[chance.random(RANDOM_ROWS) < NAN_SHARE, i] = np.nan
    if manifest.golden is not None and manifest.golden.rows:
        golden = np.array(manifest.golden.rows, dtype=np.float64)
        rows = np.vstack([golden, rows])
    return rows


def _range(feature: Feature) -> tuple[float, float]:
    if feature.minimum is None or feature.maximum is None:
        return -3.0, 3.0
    return feature.minimum, feature.maximum


def disagreement(
    engine: Engine, reference: Engine, rows: Rows, splits: Splits = NO_SPLITS
) -> tuple[str | None, int]:
    """
    Compare *engine* with *reference*.

    Returns:
        What they disagree on, or None; and how many rows were compared.
    """
    checked = 0
    for batch in (*(rows[i : i + 1] for i in range(SINGLE_ROWS)), rows):
        difference = _difference(engine.run(batch), reference.run(batch))
        checked += len(batch)
        if difference is not None:
            return difference, checked
    ends = time.monotonic() + MAX_SECONDS
    for batch in _rows_on_splits(rows, splits):
        difference = _difference(engine.run(batch), reference.run(batch))
        checked += len(batch)
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
    return got.shape == want.shape and bool((np.abs(got - want) <= TOLERANCE * scale).all())


def _rows_on_splits(rows: Rows, splits: Splits) -> Iterator[Rows]:
    """Rows with one feature on a threshold, and a step to either side in float64 and float32."""
    features, thresholds = splits
    # Histogram boosting splits missing from present at infinity, which no row may contain.
    usable = np.abs(thresholds) < FLOAT32_MAX
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
