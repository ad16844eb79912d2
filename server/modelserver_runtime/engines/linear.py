"""Linear models in NumPy: one product of vectors a row."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from modelserver_runtime.engines import Outcome, OutOfRange, Rows, Unsupported, kind_of
from modelserver_runtime.engines.logistic import probability_of
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
        self._intercept: Any = intercept
        self._classes = None if kind in _REGRESSORS else np.asarray(model.classes_)
        self._has_probabilities = hasattr(model, "predict_proba")
        self._is_binary = self._has_probabilities and weights.ndim == 1
        if self._is_binary and self._classes is not None:
            self._intercept = float(intercept)
            self._first, self._second = self._classes[:1], self._classes[1:]

    def run(self, rows: Rows) -> Outcome:
        """Answer *rows*."""
        if self._scalings:
            with np.errstate(over="ignore", invalid="ignore"):
                for scaling in self._scalings:
                    rows = scaling(rows)
        scores = rows.dot(self._weights)
        if self._is_binary and len(rows) == 1:
            return self._one_binary(scores.item() + self._intercept)
        scores += self._intercept
        # The sum of many is finite when each is, or nearly so large: one number to look at.
        if not math.isfinite(scores.sum()):
            raise OutOfRange(_TOO_LARGE)
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

    def _one_binary(self, score: float) -> Outcome:
        """A single row without a call into SciPy: most requests are this."""
        if not math.isfinite(score):
            raise OutOfRange(_TOO_LARGE)
        p = probability_of(score)
        if score > 0:
            return Outcome(self._second, np.array(((1 - p, p),)), np.array((p,)))
        return Outcome(self._first, np.array(((1 - p, p),)), np.array((1 - p,)))

    def _binary(self, scores: NDArray[np.float64], classes: NDArray[Any]) -> Outcome:
        positive = scores > 0
        labels = classes[positive.astype(np.intp)]
        if not self._has_probabilities:
            return Outcome(labels)
        p = expit(scores)
        probabilities = np.column_stack((1 - p, p))
        return Outcome(labels, probabilities, np.where(positive, p, 1 - p))


_TOO_LARGE = "the values are too large for this model"


def _fold(scalings: Sequence[Scaling], weights: Any, intercept: Any) -> tuple[Any, Any]:
    """Weights and intercept for rows that were not scaled; the last scaling is undone first."""
    for scaling in reversed(scalings):
        factor, offset = scaling.affine(weights.shape[-1])
        intercept = intercept + weights @ offset
        weights = weights * factor
    return weights, intercept
