"""Linear models in NumPy: one product of vectors a row."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from modelserver_runtime.engines import Outcome, OutOfRange, Rows, Unsupported, kind_of
from modelserver_runtime.engines.preprocessing import Scaling, split

_REGRESSORS = frozenset(
    {
        "linear_model.ARDRegression",
        "linear_model.BayesianRidge",
        "linear_model.ElasticNet",
        "linear_model.ElasticNetCV",
        "linear_model.HuberRegressor",
        "linear_model.Lars",
        "linear_model.LarsCV",
        "linear_model.Lasso",
        "linear_model.LassoCV",
        "linear_model.LassoLars",
        "linear_model.LassoLarsCV",
        "linear_model.LassoLarsIC",
        "linear_model.LinearRegression",
        "linear_model.MultiTaskElasticNet",
        "linear_model.MultiTaskElasticNetCV",
        "linear_model.MultiTaskLasso",
        "linear_model.MultiTaskLassoCV",
        "linear_model.OrthogonalMatchingPursuit",
        "linear_model.OrthogonalMatchingPursuitCV",
        "linear_model.QuantileRegressor",
        "linear_model.Ridge",
        "linear_model.RidgeCV",
        "linear_model.SGDRegressor",
        "linear_model.TheilSenRegressor",
        "svm.LinearSVR",
    }
)
_CLASSIFIERS = frozenset(
    {
        "discriminant_analysis.LinearDiscriminantAnalysis",
        "linear_model.LogisticRegression",
        "linear_model.LogisticRegressionCV",
        "linear_model.Perceptron",
        "linear_model.RidgeClassifier",
        "linear_model.RidgeClassifierCV",
        "linear_model.SGDClassifier",
        "svm.LinearSVC",
    }
)
LINEAR_KINDS = _REGRESSORS | _CLASSIFIERS


class LinearEngine:
    """
    `rows @ weights + intercept`, and what the kind of model makes of it.

    Args:
        estimator: a linear model, or a pipeline of scalers that ends in one.
        folded: scale the weights once instead of every row; rounds differently.

    Raises:
        Unsupported.
    """

    def __init__(self, estimator: Any, *, folded: bool) -> None:
        scalings, model = split(estimator)
        kind = kind_of(model)
        if kind not in LINEAR_KINDS:
            raise Unsupported(f"{type(model).__name__} is no linear model")
        weights = np.asarray(model.coef_, dtype=np.float64)
        intercept = np.asarray(model.intercept_, dtype=np.float64)
        if weights.ndim > 1 and weights.shape[0] == 1 and kind not in _REGRESSORS:
            weights, intercept = weights[0], intercept.reshape(-1)[0]
        self.name = "linear-folded" if folded else "linear"
        self._scalings: Sequence[Scaling] = scalings
        if folded:
            weights, intercept = _fold(scalings, weights, intercept)
            self._scalings = ()
        self._weights: NDArray[np.float64] = np.ascontiguousarray(weights.T)
        self._intercept = intercept
        self._classes = None if kind in _REGRESSORS else np.asarray(model.classes_)
        self._has_probabilities = hasattr(model, "predict_proba")

    def run(self, rows: Rows) -> Outcome:
        """Answer *rows*."""
        if self._scalings:
            with np.errstate(over="ignore", invalid="ignore"):
                for scaling in self._scalings:
                    rows = scaling(rows)
        scores = rows.dot(self._weights) + self._intercept
        # The sum of many is finite when each is, or nearly so large: one number to look at.
        if not math.isfinite(scores.item() if scores.size == 1 else scores.sum()):
            raise OutOfRange("the values are too large for this model")
        if self._classes is None:
            return Outcome(scores)
        if scores.ndim == 1:
            return self._binary(scores, self._classes)
        chosen = scores.argmax(axis=1)
        labels = self._classes[chosen]
        if not self._has_probabilities:
            return Outcome(labels)
        probabilities = softmax(scores, axis=1)
        return Outcome(labels, probabilities, probabilities[np.arange(len(rows)), chosen])

    def _binary(self, scores: NDArray[np.float64], classes: NDArray[Any]) -> Outcome:
        if len(scores) == 1 and self._has_probabilities:
            return _one_binary(float(scores[0]), classes)
        positive = scores > 0
        labels = classes[positive.astype(np.intp)]
        if not self._has_probabilities:
            return Outcome(labels)
        p = expit(scores)
        probabilities = np.column_stack((1 - p, p))
        return Outcome(labels, probabilities, np.where(positive, p, 1 - p))


def _one_binary(score: float, classes: NDArray[Any]) -> Outcome:
    """A single row without a call into SciPy: most requests are this."""
    p = 1 / (1 + math.exp(-score)) if score > -_SAFE_EXPONENT else math.exp(score)
    positive = score > 0
    return Outcome(
        classes[1:2] if positive else classes[0:1],
        np.array(((1 - p, p),)),
        np.array((p if positive else 1 - p,)),
    )


# exp(700) is finite, exp(710) is not; beyond it 1 / (1 + exp(-x)) and exp(x) are the same number.
_SAFE_EXPONENT = 700.0


def _fold(scalings: Sequence[Scaling], weights: Any, intercept: Any) -> tuple[Any, Any]:
    """Weights and intercept for rows that were not scaled; the last scaling is undone first."""
    for scaling in reversed(scalings):
        factor, offset = scaling.affine(weights.shape[-1])
        intercept = intercept + weights @ offset
        weights = weights * factor
    return weights, intercept
