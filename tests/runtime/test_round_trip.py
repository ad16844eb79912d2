"""From a fitted estimator through pack, verify and serve to answers that are scikit-learn's."""

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import all_estimators

from modelserver_runtime.settings import from_environment
from runtime.command import modelserver
from runtime.estimators import fitted, people, people_pipeline, records_of
from runtime.in_process import listening

KINDS = {
    "classifier": (
        *(
            "AdaBoostClassifier",
            "BaggingClassifier",
            "CalibratedClassifierCV",
            "DecisionTreeClassifier",
        ),
        *("ExtraTreesClassifier", "GaussianNB", "GaussianProcessClassifier"),
        *("GradientBoostingClassifier", "HistGradientBoostingClassifier", "KNeighborsClassifier"),
        *("LinearDiscriminantAnalysis", "LinearSVC", "LogisticRegression", "MLPClassifier"),
        *("QuadraticDiscriminantAnalysis", "RandomForestClassifier", "RidgeClassifier"),
        *("SGDClassifier", "SVC", "StackingClassifier", "VotingClassifier"),
    ),
    "regressor": (
        *("DecisionTreeRegressor", "ElasticNet", "GaussianProcessRegressor"),
        *("GradientBoostingRegressor", "HistGradientBoostingRegressor", "HuberRegressor"),
        *("KNeighborsRegressor", "Lasso", "LinearRegression", "MLPRegressor"),
        *("RandomForestRegressor", "Ridge", "SVR"),
    ),
    "cluster": ("KMeans",),
}
CASES = [
    pytest.param(name, kind, of, id=name)
    for of, names in KINDS.items()
    for name, kind in all_estimators(of)
    if name in names
]


def packed(estimator: Any, data: Path, folder: Path, *options: str) -> None:
    """Pack and verify, as a person would."""
    model = folder.with_suffix(".joblib")
    joblib.dump(estimator, model)
    made = modelserver("pack", model, "--trust", "-o", folder, "--data", data, *options)
    assert made.code == 0, made.err
    digest = modelserver("digest", folder).out.strip()
    verified = modelserver("verify", folder, "--digest", digest, "--json")
    assert verified.code == 0, verified.err
    assert all(step["passed"] for step in json.loads(verified.out)["steps"])


async def answers(folder: Path, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the server says about *records*."""
    settings = from_environment({"MODEL_PATH": str(folder), "API_PORT": "0"})
    async with listening(settings) as client:
        answer = await client.post("/batch-predict", json={"records": records}, timeout=60)
    assert answer.status_code == 200, answer.text
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


def test_there_are_enough_kinds() -> None:
    """Every name is an estimator's."""
    assert len(CASES) == sum(map(len, KINDS.values())) >= 25


@pytest.mark.parametrize(("name", "kind", "of"), CASES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
async def test_the_server_answers_as_scikit_learn_does(
    name: str, kind: Any, of: str, tmp_path: Path
) -> None:
    """To 1e-12, labels exactly, for every row of the data set."""
    made = fitted(name, kind, of)
    assert made is not None
    estimator, x = made
    np.save(tmp_path / "x.npy", x)
    packed(estimator, tmp_path / "x.npy", tmp_path / "model")
    names = [f"feature_{i + 1}" for i in range(x.shape[1])]
    records = [dict(zip(names, row, strict=True)) for row in x.tolist()]
    got = await answers(tmp_path / "model", records)
    want = estimator.predict(x)
    if of == "regressor":
        off = np.abs(np.array([a["prediction"] for a in got]) - want).max()
        assert off <= 1e-12 * np.abs(want).max()
    else:
        assert [a["prediction"] for a in got] == want.tolist()
    if hasattr(estimator, "predict_proba"):
        probabilities = np.array([a["probability"] for a in got])
        assert np.abs(probabilities - estimator.predict_proba(x)).max() <= 1e-12


async def test_a_data_frame_of_every_type_comes_through_a_csv_file(tmp_path: Path) -> None:
    """Text, categories, numbers, truth values, missing ones; the labels are text."""
    table, labels = people()
    table.assign(outcome=labels).to_csv(tmp_path / "people.csv", index=False)
    table = pd.read_csv(tmp_path / "people.csv").drop(columns="outcome")
    estimator = people_pipeline().fit(table, labels)
    packed(estimator, tmp_path / "people.csv", tmp_path / "people", "--target", "outcome")
    records = records_of(table)
    got = await answers(tmp_path / "people", records)
    want = estimator.predict_proba(pd.DataFrame(records).astype(table.dtypes.to_dict()))
    assert np.abs(np.array([a["probability"] for a in got]) - want).max() <= 1e-12
    assert {a["prediction"] for a in got} == {"bought", "left"}
    metrics = json.loads((tmp_path / "people" / "manifest.json").read_text())["metrics"]
    assert metrics["accuracy"] == pytest.approx((estimator.predict(table) == labels).mean())


async def test_texts_come_through_a_csv_file(tmp_path: Path) -> None:
    """One column, named as in the file."""
    texts = ["cheap pills now", "meeting at noon", "cheap watches", "lunch at noon"] * 5
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0] * 5)
    pd.DataFrame({"mail": texts}).to_csv(tmp_path / "mails.csv", index=False)
    packed(estimator, tmp_path / "mails.csv", tmp_path / "spam")
    got = await answers(tmp_path / "spam", [{"mail": text} for text in texts[:4]])
    want = estimator.predict_proba(texts[:4])
    assert np.abs(np.array([a["probability"] for a in got]) - want).max() <= 1e-12
