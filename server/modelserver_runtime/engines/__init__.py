"""
An engine computes a model's answers; every engine agrees with scikit-learn, or it is not used.
"""

from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]
"""A batch, shape (rows, features): float64 where every column is a number, else objects."""

FEW_CELLS = 4096
"""As many numbers are written as JSON in a fifth of a millisecond."""


class Outcome(msgspec.Struct, frozen=True, eq=False):
    """
    What a model says about a batch.

    Args:
        predictions: shape (rows,), or (rows, outputs) for models with several outputs.
        probabilities: shape (rows, classes), for multilabel models (rows, labels); None where
            the model has none.
        confidence: shape (rows,), the probability of the returned label; None where a row has
            several, or no probability.
    """

    predictions: NDArray[Any]
    probabilities: NDArray[np.float64] | None = None
    confidence: NDArray[np.float64] | None = None

    @property
    def has_few_numbers(self) -> bool:
        """Whether it is numbers, and so few that copying them takes no time."""
        parts = (self.predictions, self.probabilities)
        cells = sum(part.size for part in parts if part is not None)
        return cells <= FEW_CELLS and self.predictions.dtype.kind in "iufb"

    def of(self, rows: slice) -> "Outcome":
        """What it says about *rows* of the batch."""
        return Outcome(
            self.predictions[rows],
            None if self.probabilities is None else self.probabilities[rows],
            None if self.confidence is None else self.confidence[rows],
        )


class Engine(Protocol):
    """One way to compute a model's answers."""

    @property
    def name(self) -> str:
        """Shown in /model/metadata, `model_info` and the log."""

    def run(self, rows: Rows) -> Outcome:
        """Answer *rows*, at least one."""


def kind_of(value: Any) -> str:
    """
    The exact type of one of scikit-learn's objects, `linear_model.Ridge`; "" for all others.

    By name: importing every type to compare with would cost each start half a second. Exact: a
    subclass may compute anything.
    """
    kind = type(value)
    package, _, module = kind.__module__.partition(".")
    return f"{module.partition('.')[0]}.{kind.__qualname__}" if package == "sklearn" else ""


class Unsupported(Exception):
    """An engine cannot compute this estimator; the message says what it does not know."""


class OutOfRange(Exception):
    """A row has a value that the model's arithmetic cannot hold: the client's mistake, not ours."""


FLOAT32_MAX = float(np.finfo(np.float32).max)


def as_float32(rows: Rows) -> NDArray[np.float32]:
    """
    Round *rows* to float32.

    Raises:
        OutOfRange: a finite value would become infinite.
    """
    with np.errstate(over="ignore"):
        single: NDArray[np.float32] = rows.astype(np.float32)
    if np.isinf(single).any():
        require_float32_range(rows.astype(np.float64, copy=False))
    return single


def require_float32_range(rows: Rows) -> None:
    """
    Refuse what float32 would make infinite.

    Raises:
        OutOfRange.
    """
    if rows.size and float(np.nanmax(np.abs(rows), initial=0.0)) > FLOAT32_MAX:
        raise OutOfRange("a value is too large for this model, which computes in float32")
