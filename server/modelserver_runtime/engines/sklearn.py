"""scikit-learn itself as an engine: slower than the others, right by definition."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.artifact import Feature
from modelserver_runtime.engines import Outcome, OutOfRange, Rows, require_float32_range
from modelserver_runtime.engines.inputs import input_of


class SklearnEngine:
    """
    Ask the estimator.

    Args:
        estimator: anything with `predict`.
        features: the columns it was trained on.
        labels_by_argmax: the label is the most probable class, so that one call is enough.
    """

    def __init__(
        self, estimator: Any, features: Sequence[Feature] = (), *, labels_by_argmax: bool = False
    ) -> None:
        self.name = "scikit-learn-argmax" if labels_by_argmax else "scikit-learn"
        self._estimator = estimator
        self._features = features
        self._input = input_of(estimator, features)
        self._labels_by_argmax = labels_by_argmax
        classes = getattr(estimator, "classes_", None)
        # A model with several outputs has a list of them, one array per output.
        single = isinstance(classes, np.ndarray) and classes.ndim == 1
        self._classes: NDArray[Any] | None = classes if single else None
        self._has_probabilities = classes is not None and hasattr(estimator, "predict_proba")

    def run(self, rows: Rows) -> Outcome:
        """Call `predict`, and `predict_proba` where there is one."""
        try:
            return self._run(self._input(rows))
        except ValueError as error:
            self._require_known_values(rows, error)
            raise

    def _run(self, batch: Any) -> Outcome:
        if self._labels_by_argmax and self._classes is not None:
            return self._most_probable(batch, self._classes)
        predictions = _dense(self._estimator.predict(batch))
        if not self._has_probabilities:
            return Outcome(predictions)
        if predictions.ndim != 1 or self._classes is None:
            answer = self._estimator.predict_proba(batch)
            return Outcome(predictions, _of_each_label(answer, predictions))
        probabilities = np.asarray(self._estimator.predict_proba(batch), dtype=np.float64)
        # `predict` need not be the most probable class (tuned thresholds): look the label up.
        columns = np.searchsorted(self._classes, predictions)
        chosen = probabilities[np.arange(len(predictions)), columns]
        return Outcome(predictions, probabilities, chosen)

    def _most_probable(self, batch: Any, classes: NDArray[Any]) -> Outcome:
        probabilities = np.asarray(self._estimator.predict_proba(batch), dtype=np.float64)
        chosen = probabilities.argmax(axis=1)
        rows = np.arange(len(chosen))
        return Outcome(classes[chosen], probabilities, probabilities[rows, chosen])

    def _require_known_values(self, rows: Rows, error: ValueError) -> None:
        """
        Tell a value the model was never taught from a model that is broken.

        Raises:
            OutOfRange.
        """
        if rows.dtype == np.float64:
            require_float32_range(rows)
        for i, feature in enumerate(self._features):
            if feature.categories is not None and _has_stranger(rows[:, i], feature):
                raise OutOfRange(f"{feature.name} has a value that training did not have")
        # Such values are not let in: a step of the model has made them of others.
        if any(found in str(error) for found in ("contains infinity", "contains NaN")):
            raise OutOfRange("a value goes beyond what this model can compute with")
        if "unknown categories" in str(error):  # encoders; their words tell the value, ours do not
            raise OutOfRange("a column has a value that training did not have")


def _has_stranger(cells: Rows, feature: Feature) -> bool:
    return not set(cells.tolist()) <= {None, *(feature.categories or ())}


def _dense(predictions: Any) -> NDArray[Any]:
    """Multilabel models trained on a sparse matrix answer with one."""
    return np.asarray(predictions.toarray() if hasattr(predictions, "toarray") else predictions)


def _of_each_label(answer: Any, predictions: NDArray[Any]) -> NDArray[np.float64] | None:
    """For a multilabel model, how probable each label is; None where outputs have more classes."""
    if isinstance(answer, list):
        if any(np.shape(one) != (len(predictions), 2) for one in answer):
            return None
        return np.column_stack([one[:, 1] for one in answer]).astype(np.float64)
    matrix = np.asarray(answer, dtype=np.float64)
    return matrix if matrix.shape == predictions.shape else None
