"""Does a model answer its recorded examples as recorded, and if not, where is it furthest off."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelserver_runtime.artifact import Golden, Manifest
from modelserver_runtime.engines import Outcome
from modelserver_runtime.errors import GoldenMismatch


@dataclass(frozen=True)
class _Difference:
    """
    One value that is not as recorded.

    Args:
        row: its number, from 1.
        off: by how much; infinite for a label or a missing value.
        told: what was recorded and what came.
    """

    row: int
    off: float
    told: str


def require_golden(outcome: Outcome, manifest: Manifest, golden: Golden) -> None:
    """
    Compare what the model answers to the golden rows with what it answered when it was packed.

    Raises:
        GoldenMismatch: with the worst row.
    """
    if len(outcome.predictions) != len(golden.rows):
        raise GoldenMismatch(
            f"the model gives {len(outcome.predictions)} answers to {len(golden.rows)} examples"
        )
    differences = [*_of_predictions(outcome, golden), *_of_probabilities(outcome, manifest, golden)]
    if not differences:
        return
    # A row whose label differs is worse than one whose probability does, however much.
    worst = max(differences, key=lambda each: (each.off, -each.row))
    rows = len({each.row for each in differences})
    by = "" if math.isinf(worst.off) else f", {worst.off:.3g} off"
    raise GoldenMismatch(
        f"{rows} of {len(golden.rows)} golden examples are answered otherwise than recorded; the "
        f"worst is number {worst.row}: {worst.told}{by} (tolerance {golden.tolerance:g})"
    )


def _of_predictions(outcome: Outcome, golden: Golden) -> Iterator[_Difference]:
    answers = zip(golden.predictions, outcome.predictions.tolist(), strict=True)
    for i, (want, got) in enumerate(answers):
        off = _distance(got, want)
        if off > golden.tolerance:
            yield _Difference(i + 1, off, f"prediction {want!r} was recorded, and {got!r} came")


def _of_probabilities(
    outcome: Outcome, manifest: Manifest, golden: Golden
) -> Iterator[_Difference]:
    if golden.probabilities is None:
        return
    shape = (len(golden.probabilities), len(golden.probabilities[0]))
    if outcome.probabilities is None or outcome.probabilities.shape != shape:
        raise GoldenMismatch(
            "the recorded golden probabilities have another shape than the model's"
        )
    names = [c.name for c in manifest.classes or ()]
    for i, wanted in enumerate(golden.probabilities):
        pairs = zip(outcome.probabilities[i].tolist(), wanted, strict=True)
        offs = [_distance(got, want) for got, want in pairs]
        off = max(offs)
        if off > golden.tolerance:
            k = offs.index(off)
            got, want = float(outcome.probabilities[i, k]), wanted[k]
            name = names[k] if k < len(names) else str(k)
            yield _Difference(
                i + 1, off, f"for class {name}, probability {want} was recorded, and {got} came"
            )


def _distance(got: Any, want: Any) -> float:
    """How far apart, in units of what was recorded where that is more than 1."""
    if isinstance(want, list | tuple):
        if not isinstance(got, list) or len(got) != len(want):
            return math.inf
        return max((_distance(g, w) for g, w in zip(got, want, strict=True)), default=0.0)
    if not (isinstance(want, float) and isinstance(got, int | float)):
        return 0.0 if got == want else math.inf
    if not (math.isfinite(got) and math.isfinite(want)):  # JSON's NaN is no answer to come near to
        return math.inf
    return float(abs(got - want) / max(1.0, abs(want)))
