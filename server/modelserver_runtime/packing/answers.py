"""What an estimator answers: its task, outputs and classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from modelserver_runtime.artifact import Class, Output, Task
from modelserver_runtime.engines import Outcome
from modelserver_runtime.engines.onnx_estimator import OnnxEstimator
from modelserver_runtime.errors import NotPackable
from modelserver_runtime.packing.features import type_of_kind


def require_fitted(estimator: Any) -> None:
    """
    Refuse what cannot answer.

    Raises:
        NotPackable.
    """
    kind = name_of(estimator)
    if not hasattr(estimator, "predict"):
        raise NotPackable(
            f"{kind} has no predict: pack an estimator, or a pipeline that ends with one"
        )
    if isinstance(estimator, OnnxEstimator):
        return
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise NotPackable(f"the {kind} is not fitted: call fit before you save it") from None
    except TypeError:  # not made as scikit-learn's estimators are
        return


def name_of(estimator: Any) -> str:
    """What to call *estimator* in a sentence."""
    return "ONNX model" if isinstance(estimator, OnnxEstimator) else type(estimator).__name__


def task_of(estimator: Any, outcome: Outcome) -> Task:
    """What kind of question *estimator*, whose *outcome* is given, answers."""
    if isinstance(estimator, OnnxEstimator):
        numbers = outcome.predictions.dtype.kind == "f"
        return "regression" if numbers else "classification"
    if is_outlier_detector(estimator):
        return "outlier-detection"
    if is_clusterer(estimator):
        return "clustering"
    if not is_classifier(estimator):
        return "regression"
    return "multilabel" if _is_multilabel(outcome) else "classification"


def outputs(outcome: Outcome) -> tuple[Output, ...]:
    """The columns of *outcome*."""
    predictions = outcome.predictions
    prediction = Output(
        name="prediction",
        type=type_of_kind(predictions.dtype.kind) or "string",
        shape=tuple(predictions.shape[1:]),
    )
    if outcome.probabilities is None:
        return (prediction,)
    shape = tuple(outcome.probabilities.shape[1:])
    return prediction, Output(name="probability", type="float64", shape=shape)


def classes(
    estimator: Any, outcome: Outcome, names: Sequence[str] | None
) -> tuple[Class, ...] | None:
    """
    The classes of a classifier, with *names* for people.

    Raises:
        NotPackable: it does not know its classes, or has another number of them than names.
    """
    labels = getattr(estimator, "classes_", None)
    knows_none = isinstance(estimator, OnnxEstimator) and labels is None
    if knows_none or not (isinstance(estimator, OnnxEstimator) or is_classifier(estimator)):
        if names:
            raise NotPackable(f"class names are given, but the {name_of(estimator)} has no classes")
        return None
    if labels is None:
        raise NotPackable(
            f"{type(estimator).__name__} is a classifier without classes_, so nobody can tell which"
            " labels it answers: set classes_ in its fit"
        )
    if _is_multilabel(outcome):
        labels = list(range(outcome.predictions.shape[1]))
    elif outcome.predictions.ndim > 1:
        return None
    else:
        labels = np.asarray(labels).tolist()
    if names and len(names) != len(labels):
        raise NotPackable(
            f"{len(names)} class names are given, but the model has the {len(labels)} classes "
            f"{', '.join(map(str, labels))}: give one for each, in this order"
        )
    return tuple(
        Class(label=label, name=str(names[i]) if names else str(label))
        for i, label in enumerate(labels)
    )


def _is_multilabel(outcome: Outcome) -> bool:
    return outcome.predictions.ndim > 1 and bool(np.isin(outcome.predictions, (0, 1)).all())
