"""The steps before a pipeline's last one, done in NumPy exactly as scikit-learn does them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelserver_runtime.engines import Rows, Unsupported, kind_of

Step = Callable[[Rows], Rows]


@dataclass(frozen=True, eq=False)
class Scaling:
    """
    `(x - shift) / divisor` or `x * factor + offset`, whichever the step computes.

    Scaling one way or the other rounds differently; parts that the step lacks are None.
    """

    shift: Any = None
    divisor: Any = None
    factor: Any = None
    offset: Any = None

    def __call__(self, rows: Rows) -> Rows:
        """A scaled copy of *rows*."""
        if self.shift is not None:
            rows = rows - self.shift
        if self.divisor is not None:
            rows = rows / self.divisor
        if self.factor is not None:
            rows = rows * self.factor + self.offset
        return rows

    def affine(self, width: int) -> tuple[Any, Any]:
        """The same as `x * factor + offset`, up to rounding."""
        if self.factor is not None:
            return self.factor, self.offset
        divisor = np.ones(width) if self.divisor is None else self.divisor
        shift = np.zeros(width) if self.shift is None else self.shift
        return 1.0 / divisor, -shift / divisor


def split(estimator: Any) -> tuple[list[Scaling], Any]:
    """
    The scalings before the last step, and the last step.

    Raises:
        Unsupported: a step is of another kind.
    """
    if kind_of(estimator) != "pipeline.Pipeline":
        return [], estimator
    *before, (_, last) = estimator.steps
    scalings: list[Scaling] = []
    for _, step in before:
        if step is None or step == "passthrough":
            continue
        scalings.append(_scaling(step))
    return scalings, last


def _scaling(step: Any) -> Scaling:
    kind = kind_of(step)
    if kind == "preprocessing.StandardScaler":
        return Scaling(
            shift=step.mean_ if step.with_mean else None,
            divisor=step.scale_ if step.with_std else None,
        )
    if kind == "preprocessing.RobustScaler":
        return Scaling(
            shift=step.center_ if step.with_centering else None,
            divisor=step.scale_ if step.with_scaling else None,
        )
    if kind == "preprocessing.MaxAbsScaler" and not getattr(step, "clip", False):
        return Scaling(divisor=step.scale_)
    if kind == "preprocessing.MinMaxScaler" and not step.clip:
        return Scaling(factor=step.scale_, offset=step.min_)
    raise Unsupported(f"{type(step).__name__} in the pipeline")
