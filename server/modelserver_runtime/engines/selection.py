"""Takes the fastest engine that agrees with scikit-learn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, tree
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.pipeline import Pipeline

from modelserver_runtime.artifact import Manifest
from modelserver_runtime.engines import Engine, Rows, Unsupported
from modelserver_runtime.engines.linear import LinearEngine
from modelserver_runtime.engines.parity import NO_SPLITS, disagreement, random_rows
from modelserver_runtime.engines.sklearn import SklearnEngine
from modelserver_runtime.engines.trees import TreesEngine

# Their `predict` is the most probable class. Not: SVC and NuSVC (probabilities from another model),
# tuned or fixed thresholds, multilabel models, outlier detectors.
_ARGMAX_TYPES = (
    linear_model.LogisticRegression,
    linear_model.LogisticRegressionCV,
    ensemble.RandomForestClassifier,
    ensemble.ExtraTreesClassifier,
    ensemble.GradientBoostingClassifier,
    ensemble.HistGradientBoostingClassifier,
    tree.DecisionTreeClassifier,
    naive_bayes.GaussianNB,
    naive_bayes.MultinomialNB,
    naive_bayes.BernoulliNB,
    naive_bayes.ComplementNB,
    neighbors.KNeighborsClassifier,
    neural_network.MLPClassifier,
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)


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


def choose(estimator: Any, manifest: Manifest, reference: SklearnEngine) -> Choice:
    """Try the engines from fast to slow; scikit-learn itself is always right."""
    if any(feature.type == "string" for feature in manifest.signature.features):
        return Choice(reference, "only scikit-learn itself takes columns of text", 0)
    rows = random_rows(manifest)
    refusals: list[str] = []
    for make in _candidates(estimator):
        try:
            engine = make()
        except Unsupported as unsupported:
            refusals.append(str(unsupported))
            continue
        if not _answers(reference, rows):
            return Choice(reference, "scikit-learn itself refuses rows made up to compare with", 0)
        splits = engine.splits if isinstance(engine, TreesEngine) else NO_SPLITS
        difference, checked = disagreement(engine, reference, rows, splits)
        if difference is None:
            return Choice(engine, f"agrees with scikit-learn on {checked} rows", checked)
        refusals.append(f"{engine.name} gave {difference}")
    return Choice(reference, "; ".join(refusals), 0)


def _answers(reference: SklearnEngine, rows: Rows) -> bool:
    """Encoders, for one, refuse values they have not seen."""
    try:
        reference.run(rows)
    except (ValueError, TypeError, LookupError, ArithmeticError):
        return False
    return True


def _candidates(estimator: Any) -> Iterator[Callable[[], Engine]]:
    yield lambda: LinearEngine(estimator, folded=True)
    yield lambda: LinearEngine(estimator, folded=False)
    yield lambda: TreesEngine(estimator)
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if type(last) in _ARGMAX_TYPES:
        yield lambda: SklearnEngine(estimator, labels_by_argmax=True)
