"""Takes the fastest engine that agrees with scikit-learn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelserver_runtime.artifact import Manifest
from modelserver_runtime.engines import Engine, OutOfRange, Unsupported, kind_of
from modelserver_runtime.engines.linear import LINEAR_KINDS, LinearEngine
from modelserver_runtime.engines.onnx import OnnxEngine
from modelserver_runtime.engines.parity import NO_SPLITS, Answered, disagreement, made_up_rows
from modelserver_runtime.engines.sklearn import SklearnEngine
from modelserver_runtime.engines.trees import TREE_KINDS, TreesEngine

# Their `predict` is the most probable class. Not: SVC and NuSVC (probabilities from another model),
# tuned or fixed thresholds, multilabel models, outlier detectors.
_ARGMAX_KINDS = frozenset(
    {
        "discriminant_analysis.LinearDiscriminantAnalysis",
        "discriminant_analysis.QuadraticDiscriminantAnalysis",
        "ensemble.ExtraTreesClassifier",
        "ensemble.GradientBoostingClassifier",
        "ensemble.HistGradientBoostingClassifier",
        "ensemble.RandomForestClassifier",
        "linear_model.LogisticRegression",
        "linear_model.LogisticRegressionCV",
        "naive_bayes.BernoulliNB",
        "naive_bayes.CategoricalNB",
        "naive_bayes.ComplementNB",
        "naive_bayes.GaussianNB",
        "naive_bayes.MultinomialNB",
        "neighbors.KNeighborsClassifier",
        "neural_network.MLPClassifier",
        "tree.DecisionTreeClassifier",
        "tree.ExtraTreeClassifier",
    }
)

# What an engine raises for rows or an estimator that it cannot compute with.
_REFUSALS = (OutOfRange, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


@dataclass(frozen=True, eq=False)
class Choice:
    """
    The engine that was taken.

    Args:
        reason: why this one and no faster one.
        rows_checked: on how many rows it was compared with scikit-learn.
    """

    engine: Engine
    reason: str
    rows_checked: int


def choose(estimator: Any, manifest: Manifest, reference: Engine) -> Choice:
    """Try the engines from fast to slow; the reference itself is always right."""
    if isinstance(reference, OnnxEngine):
        return Choice(reference, "an ONNX file is computed by onnxruntime as it is", 0)
    candidates, refusals = _candidates(estimator, manifest)
    if not candidates:
        return Choice(reference, _sentence(refusals), 0)
    answered = _answered(manifest, reference)
    if answered is None:
        return Choice(reference, "scikit-learn itself refuses rows made up to compare with", 0)
    for engine in candidates:
        splits = engine.splits if isinstance(engine, TreesEngine) else NO_SPLITS
        try:
            difference, checked = disagreement(engine, reference, answered, splits)
        except _REFUSALS as error:
            difference, checked = f"{type(error).__name__}", 0
        if difference is None:
            agreement = f"agrees with scikit-learn on {checked} rows"
            return Choice(engine, _sentence([*refusals, agreement]), checked)
        refusals.append(f"{engine.name} gave {difference}")
    return Choice(reference, _sentence(refusals), 0)


def _sentence(parts: list[str]) -> str:
    return "; ".join(dict.fromkeys(parts))


def _candidates(estimator: Any, manifest: Manifest) -> tuple[list[Engine], list[str]]:
    """Engines that know the estimator, the fastest first, and why the others do not."""
    engines: list[Engine] = []
    refusals: list[str] = []
    for make in _makers(estimator, manifest):
        try:
            engines.append(make())
        except Unsupported as unsupported:
            refusals.append(str(unsupported))
    return engines, refusals


def _makers(estimator: Any, manifest: Manifest) -> Iterator[Callable[[], Engine]]:
    last = estimator
    while kind_of(last) == "pipeline.Pipeline":
        last = last.steps[-1][1]
    if not manifest.signature.is_numeric:
        yield lambda: _nothing("only scikit-learn itself takes columns of text")
    elif kind_of(last) in LINEAR_KINDS:
        yield lambda: LinearEngine(estimator, folded=True)
        yield lambda: LinearEngine(estimator, folded=False)
    elif kind_of(last) in TREE_KINDS:
        yield lambda: TreesEngine(estimator)
    else:
        yield lambda: _nothing(f"no faster engine knows {type(last).__name__}")
    classes = getattr(estimator, "classes_", None)  # a list where there are several outputs
    if isinstance(classes, np.ndarray) and hasattr(estimator, "predict_proba"):
        yield lambda: _argmax_engine(estimator, last, manifest)


def _nothing(why: str) -> Engine:
    raise Unsupported(why)


def _argmax_engine(estimator: Any, last: Any, manifest: Manifest) -> Engine:
    if kind_of(last) not in _ARGMAX_KINDS:
        raise Unsupported(f"labels of {type(last).__name__} need not be the most probable ones")
    return SklearnEngine(estimator, manifest.signature.features, labels_by_argmax=True)


def _answered(manifest: Manifest, reference: Engine) -> Answered | None:
    """Made-up rows that scikit-learn answers."""
    for rows in made_up_rows(manifest.signature, manifest.golden):
        try:
            return Answered(rows, reference.run(rows))
        except _REFUSALS:
            continue
    return None
