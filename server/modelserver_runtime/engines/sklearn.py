"""scikit-learn itself as an engine: slower than the others, right by definition."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.engines import Outcome, Rows, require_float32_range


class SklearnEngine:
    """
    Ask the estimator.

    Args:
        estimator: anything with `predict`; `predict_proba` is used where it is one matrix.
        labels_by_argmax: the label is the most probable class, so that one call is enough.
    """

    def __init__(self, estimator: Any, *, labels_by_argmax: bool = False) -> None:
        self.name = "scikit-learn-argmax" if labels_by_argmax else "scikit-learn"
        self._estimator = estimator
        self._labels_by_argmax = labels_by_argmax
        classes = getattr(estimator, "classes_", None)
        # Multilabel models carry one array of classes per output: their probabilities are no
        # single matrix.
        single = isinstance(classes, np.ndarray) and classes.ndim == 1
        self._classes: NDArray[Any] | None = classes if single else None
        self._has_probabilities = single and hasattr(estimator, "predict_proba")

    def run(self, rows: Rows) -> Outcome:
        """Call `predict`, and `predict_proba` where there is one."""
        try:
            return self._run(rows)
        except ValueError:
            if rows.dtype == np.float64:
                require_float32_range(rows)
            raise

    def _run(self, rows: Rows) -> Outcome:
        if self._labels_by_argmax and self._classes is not None:
            return self._most_probable(rows, self._classes)
        predictions = np.asarray(self._estimator.predict(rows))
        if self._classes is None or not self._has_probabilities or predictions.ndim != 1:
            return Outcome(predictions)
        probabilities = np.asarray(self._estimator.predict_proba(rows), dtype=np.float64)
        # `predict` need not be the most probable class (tuned thresholds): look the label up.
        columns = np.searchsorted(self._classes, predictions)
        return Outcome(predictions, probabilities, probabilities[np.arange(len(rows)), columns])

    def _most_probable(self, rows: Rows, classes: NDArray[Any]) -> Outcome:
        probabilities = np.asarray(self._estimator.predict_proba(rows), dtype=np.float64)
        chosen = probabilities.argmax(axis=1)
        return Outcome(classes[chosen], probabilities, probabilities[np.arange(len(rows)), chosen])
