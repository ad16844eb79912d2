"""The engine that the others are compared with: whatever the model itself would answer."""

from collections.abc import Sequence
from typing import Any

from modelserver_runtime.artifact import Feature
from modelserver_runtime.engines import Engine
from modelserver_runtime.engines.onnx import OnnxEngine
from modelserver_runtime.engines.onnx_estimator import OnnxEstimator
from modelserver_runtime.engines.sklearn import SklearnEngine


def reference_engine(estimator: Any, features: Sequence[Feature] = ()) -> Engine:
    """
    scikit-learn, or onnxruntime for what came as an ONNX file.

    Raises:
        ModelLoadFailed: an ONNX model does not take the columns that *features* describe.
    """
    if isinstance(estimator, OnnxEstimator):
        return OnnxEngine(estimator, features)
    return SklearnEngine(estimator, features)
