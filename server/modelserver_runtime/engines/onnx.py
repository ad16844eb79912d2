"""onnxruntime as an engine, for models that come as ONNX files: right by definition."""

from collections.abc import Sequence

import numpy as np

from modelserver_runtime.artifact import Feature
from modelserver_runtime.engines import Outcome, OutOfRange, Rows
from modelserver_runtime.engines.onnx_estimator import OnnxClassifier, OnnxEstimator
from modelserver_runtime.errors import ModelLoadFailed


class OnnxEngine:
    """
    Ask the model of an ONNX file.

    Raises:
        ModelLoadFailed: a column's type in the signature is not that of the model.
    """

    name = "onnx"

    def __init__(self, estimator: OnnxEstimator, features: Sequence[Feature]) -> None:
        self._estimator = estimator
        _require_types(estimator, features)
        if isinstance(estimator, OnnxClassifier):
            self._order = np.argsort(estimator.classes_)
            self._sorted = estimator.classes_[self._order]

    def run(self, rows: Rows) -> Outcome:
        """Answer *rows* in one run."""
        try:
            return self._run(rows)
        except ValueError as error:
            if "Unknown Category" in str(error):  # of an encoder that knows only those of training
                raise OutOfRange("a column has a value that training did not have") from error
            raise

    def _run(self, rows: Rows) -> Outcome:
        if not isinstance(self._estimator, OnnxClassifier):
            return Outcome(self._estimator.predict(rows))
        labels, probabilities = self._estimator.answer(rows)
        if labels.ndim != 1:
            return Outcome(labels, probabilities)
        places = np.searchsorted(self._sorted, labels).clip(max=len(self._order) - 1)
        if not (self._sorted[places] == labels).all():
            raise ValueError("the model answers with a label that is none of its classes")
        return Outcome(
            labels, probabilities, probabilities[np.arange(len(labels)), self._order[places]]
        )


def _require_types(estimator: OnnxEstimator, features: Sequence[Feature]) -> None:
    """A value of the signature must be one that the model's input can hold."""
    for feature, type_ in zip(features, estimator.column_types(len(features)), strict=False):
        fits = feature.type == type_ or (type_ == "float64" and feature.type in ("int64", "bool"))
        if type_ == "int64" and feature.type == "bool":
            fits = True
        if not fits:
            raise ModelLoadFailed(
                f"the model takes {feature.name} as {type_}, but the manifest says {feature.type}"
            )
        if feature.nullable and type_ != "float64":
            raise ModelLoadFailed(
                f"{feature.name} may be missing, but the model takes {type_}, which cannot"
            )
