"""Each engine says what scikit-learn says, or is not used."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, linear_model, preprocessing
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, LinearSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from modelserver_runtime.artifact import Class, Feature, Manifest, Output, Signature
from modelserver_runtime.engines import Engine, Rows
from modelserver_runtime.engines.onnx_graph import varints
from modelserver_runtime.engines.parity import Answered, disagreement, made_up_rows
from modelserver_runtime.engines.selection import Choice, choose
from modelserver_runtime.engines.sklearn import SklearnEngine

BINARY = load_breast_cancer(return_X_y=True)
MULTI = load_iris(return_X_y=True)
REGRESSION = load_diabetes(return_X_y=True)
SEED = 7


def manifest_of(x: Any, estimator: Any, *, nullable: bool = False) -> Manifest:
    """A manifest that describes the columns of *x*."""
    features = tuple(
        Feature(
            name=f"f{i}",
            minimum=float(np.nanmin(column)),
            maximum=float(np.nanmax(column)),
            nullable=nullable,
        )
        for i, column in enumerate(x.T)
    )
    labels = getattr(estimator, "classes_", None)
    single = isinstance(labels, np.ndarray) and labels.ndim == 1
    return Manifest(
        schema_version=1,
        name="m",
        version="1",
        task="classification",
        created="",
        files=(),
        signature=Signature(features=features, outputs=(Output(name="y", type="float64"),)),
        classes=tuple(Class(label=c, name=str(c)) for c in labels.tolist()) if single else None,
    )


def chosen(estimator: Any, x: Any, *, nullable: bool = False) -> Choice:
    """The engine the runtime would take for *estimator*."""
    return choose(estimator, manifest_of(x, estimator, nullable=nullable), SklearnEngine(estimator))


def differs(engine: Engine, estimator: Any, rows: Rows) -> str | None:
    """What *engine* and scikit-learn disagree on."""
    reference = SklearnEngine(estimator)
    return disagreement(engine, reference, Answered(rows, reference.run(rows)))[0]


CASES = [
    pytest.param(
        make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
        BINARY, "linear", id="logistic regression",
    ),
    pytest.param(
        make_pipeline(preprocessing.MinMaxScaler(), linear_model.LogisticRegression()),
        MULTI, "linear", id="multinomial",
    ),
    pytest.param(
        make_pipeline(preprocessing.RobustScaler(), linear_model.RidgeClassifier()),
        MULTI, "linear", id="ridge classifier",
    ),
    pytest.param(
        make_pipeline(preprocessing.MaxAbsScaler(), LinearSVC()), BINARY, "linear", id="linear SVC"
    ),
    pytest.param(
        make_pipeline("passthrough", linear_model.Ridge()), REGRESSION, "linear", id="ridge"
    ),
    pytest.param(
        ensemble.RandomForestClassifier(40, random_state=SEED), BINARY, "trees", id="forest"
    ),
    pytest.param(
        ensemble.RandomForestClassifier(40, min_samples_leaf=7, random_state=SEED),
        BINARY, "trees", id="forest with impure leaves",
    ),
    pytest.param(
        ensemble.ExtraTreesClassifier(40, max_depth=4, random_state=SEED),
        MULTI, "trees", id="extra trees of three classes",
    ),
    pytest.param(
        ensemble.RandomForestRegressor(40, random_state=SEED),
        REGRESSION, "trees", id="forest regressor",
    ),
    pytest.param(
        ensemble.GradientBoostingClassifier(n_estimators=40, random_state=SEED),
        BINARY, "trees", id="gradient boosting",
    ),
    pytest.param(
        ensemble.GradientBoostingClassifier(n_estimators=20, random_state=SEED),
        MULTI, "trees", id="gradient boosting of three classes",
    ),
    pytest.param(
        ensemble.GradientBoostingRegressor(n_estimators=40, init="zero", random_state=SEED),
        REGRESSION, "trees", id="gradient boosting regressor",
    ),
    pytest.param(
        ensemble.HistGradientBoostingClassifier(max_iter=12, random_state=SEED),
        BINARY, "trees", id="histogram boosting",
    ),
    pytest.param(
        ensemble.HistGradientBoostingClassifier(max_iter=8, random_state=SEED),
        MULTI, "trees", id="histogram boosting of three classes",
    ),
    pytest.param(
        ensemble.HistGradientBoostingRegressor(max_iter=12, loss="poisson", random_state=SEED),
        REGRESSION, "trees", id="histogram boosting regressor",
    ),
    pytest.param(
        DecisionTreeClassifier(random_state=SEED), MULTI, "trees", id="one tree"
    ),
    pytest.param(
        DecisionTreeRegressor(max_depth=1, random_state=SEED), REGRESSION, "trees", id="a stump"
    ),
    pytest.param(
        make_pipeline(
            preprocessing.StandardScaler(),
            ensemble.RandomForestClassifier(20, random_state=SEED),
        ),
        BINARY, "trees", id="scaled forest",
    ),
    pytest.param(GaussianNB(), BINARY, "scikit-learn-argmax", id="naive Bayes"),
    pytest.param(KNeighborsClassifier(), MULTI, "scikit-learn-argmax", id="neighbours"),
    pytest.param(
        FixedThresholdClassifier(linear_model.LogisticRegression(max_iter=5000), threshold=0.9),
        BINARY, "scikit-learn", id="a threshold of its own",
    ),
    pytest.param(SVC(), BINARY, "scikit-learn", id="SVC"),
]  # fmt: skip


@pytest.mark.parametrize(("estimator", "data", "engine"), CASES)
def test_the_fast_engine_is_taken_and_agrees(estimator: Any, data: Any, engine: str) -> None:
    """On the whole data set, on random rows and on every split's threshold: 1e-12, same labels."""
    x, y = data
    estimator.fit(x, y)
    choice = chosen(estimator, x)
    assert choice.engine.name.removesuffix("-folded") == engine, choice.reason
    assert differs(choice.engine, estimator, x) is None
    rows = next(made_up_rows(manifest_of(x, estimator).signature, None, seed=99))
    assert differs(choice.engine, estimator, rows) is None


def test_missing_values_take_the_branch_that_was_learned() -> None:
    """Forests and histogram boosting know a side for NaN."""
    x, y = BINARY
    x = x.copy()
    x[np.random.default_rng(SEED).random(x.shape) < 0.2] = np.nan
    for estimator in (
        ensemble.HistGradientBoostingClassifier(max_iter=8, random_state=SEED),
        ensemble.RandomForestClassifier(20, random_state=SEED),
    ):
        estimator.fit(x, y)
        choice = chosen(estimator, x, nullable=True)
        assert choice.engine.name == "trees", choice.reason
        assert differs(choice.engine, estimator, x) is None


def test_labels_may_be_text() -> None:
    """As the estimator learned them."""
    x, y = MULTI
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    estimator = linear_model.LogisticRegression(max_iter=1000).fit(x, labels)
    choice = chosen(estimator, x)
    assert choice.engine.name.startswith("linear")
    assert choice.engine.run(x[:1]).predictions.tolist() == ["setosa"]


def test_categorical_splits_are_left_to_scikit_learn() -> None:
    """And the reason says so."""
    x, y = MULTI
    x = np.column_stack([x, np.arange(len(x)) % 5])
    estimator = ensemble.HistGradientBoostingClassifier(
        max_iter=5, categorical_features=[4], random_state=SEED
    ).fit(x, y)
    choice = chosen(estimator, x)
    assert choice.engine.name.startswith("scikit-learn")
    assert "categorical" in choice.reason or choice.engine.name == "scikit-learn-argmax"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda x, _: OneClassSVM().fit(x), id="outliers"),
        pytest.param(
            lambda x, y: MultiOutputClassifier(GaussianNB()).fit(x, np.column_stack([y, y])),
            id="several outputs",
        ),
    ],
)
def test_other_kinds_of_answers_pass_through(make: Callable[..., Any]) -> None:
    """What has no single matrix of probabilities has none."""
    x, y = MULTI
    estimator = make(x, y)
    outcome = chosen(estimator, x).engine.run(x[:3])
    assert outcome.probabilities is None
    assert outcome.predictions.tolist() == estimator.predict(x[:3]).tolist()


def test_a_disagreement_is_found_and_the_next_engine_taken() -> None:
    """An engine whose weights are off in the eleventh digit is not used."""
    x, y = BINARY
    estimator = make_pipeline(
        preprocessing.StandardScaler(), linear_model.LogisticRegression()
    ).fit(x, y)
    engine = chosen(estimator, x).engine
    engine._weights = engine._weights * (1 + 1e-10)  # type: ignore[attr-defined]
    assert differs(engine, estimator, x) == "another probability"


def test_varints_are_protobufs() -> None:
    """The examples of its documentation, and the borders."""
    assert varints([150]) == b"\x96\x01"
    assert varints([0, 127, 128, 2**31]) == b"\x00\x7f\x80\x01\x80\x80\x80\x80\x08"
