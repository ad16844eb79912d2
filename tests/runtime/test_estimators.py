"""Whatever scikit-learn can fit can be packed, loaded and asked over HTTP."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.utils import all_estimators

from modelserver_runtime.errors import ModelLoadFailed, NotPackable
from modelserver_runtime.loading import load
from modelserver_runtime.model import ServedModel
from modelserver_runtime.packing import Description, pack
from modelserver_runtime.settings import from_environment
from runtime.estimators import (
    DIABETES,
    IRIS,
    NOT_SERVED,
    SEED,
    fitted,
    people,
    people_pipeline,
    records_of,
)
from runtime.in_process import asked


def served(estimator: Any, training: Any, folder: Path, **described: Any) -> ServedModel:
    """The model that the runtime makes of *estimator*."""
    pack(estimator, training, folder, Description(name="model", **described))
    return load(from_environment({"MODEL_PATH": str(folder)}))


def client_of(folder: Path) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """A client of the packed model in *folder*."""
    return asked(from_environment({"MODEL_PATH": str(folder)}))


EVERY_ESTIMATOR = [
    pytest.param(name, kind, of, id=name)
    for of in ("classifier", "regressor", "cluster")
    for name, kind in all_estimators(of)
    if name not in NOT_SERVED
]


@pytest.mark.parametrize(("name", "kind", "of"), EVERY_ESTIMATOR)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_estimator_is_served(name: str, kind: Any, of: str, tmp_path: Path) -> None:
    """Its answers are its own, to 1e-12, and its probabilities too."""
    made = fitted(name, kind, of)
    if made is None:
        pytest.skip("has no predict")
    estimator, x = made
    model = served(estimator, x, tmp_path)
    outcome = model.predict(x)
    want = np.asarray(estimator.predict(x))
    assert outcome.predictions.shape == want.shape
    assert np.abs(outcome.predictions - want).max() <= 1e-12 * np.abs(want).max()
    if outcome.probabilities is not None:
        probabilities = estimator.predict_proba(x)
        if isinstance(probabilities, list):
            probabilities = np.column_stack([p[:, 1] for p in probabilities])
        assert np.abs(outcome.probabilities - probabilities).max() <= 1e-12
        assert len(model.class_names or ()) == probabilities.shape[1]


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(IsolationForest(random_state=SEED), id="isolation forest"),
        pytest.param(LocalOutlierFactor(novelty=True), id="local outlier factor"),
    ],
)
def test_outlier_detectors_say_1_or_minus_1(estimator: Any, tmp_path: Path) -> None:
    """Without probabilities."""
    x, _ = IRIS
    model = served(estimator.fit(x), x, tmp_path)
    outcome = model.predict(x)
    assert model.manifest.task == "outlier-detection"
    assert outcome.predictions.tolist() == estimator.predict(x).tolist()
    assert outcome.probabilities is None


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((SimpleImputer(), LogisticRegression(max_iter=1000)), id="imputer"),
        pytest.param(
            (PolynomialFeatures(), StandardScaler(), LogisticRegression(max_iter=1000)),
            id="polynomials",
        ),
        pytest.param((SelectKBest(k=2), SVC(random_state=SEED)), id="selection"),
        pytest.param(
            (
                KBinsDiscretizer(encode="ordinal", quantile_method="averaged_inverted_cdf"),
                KNeighborsClassifier(algorithm="ball_tree"),
            ),
            id="bins and neighbours",
        ),
        pytest.param(
            (StandardScaler(), CalibratedClassifierCV(SVC(), method="isotonic")), id="calibrated"
        ),
    ],
)
def test_pipelines_are_served(steps: tuple[Any, ...], tmp_path: Path) -> None:
    """Whatever stands before the last step."""
    x, y = IRIS
    estimator = make_pipeline(*steps).fit(x, y)
    model = served(estimator, x, tmp_path)
    assert model.predict(x).predictions.tolist() == estimator.predict(x).tolist()


async def test_a_pipeline_trained_on_a_data_frame_is_asked_with_one(tmp_path: Path) -> None:
    """Columns keep their names and types; text labels come back as text."""
    table, labels = people()
    estimator = people_pipeline().fit(table, labels)
    pack(estimator, table, tmp_path, Description(name="people"))
    records = records_of(table)
    want = estimator.predict_proba(pd.DataFrame(records).astype(table.dtypes.to_dict()))
    async with client_of(tmp_path) as client:
        batch = (await client.post("/batch-predict", json={"records": records})).json()
        one = await client.post("/predict", json=records[7])
        described = (await client.get("/model/features")).json()["features"]
    got = np.array([p["probability"] for p in batch["predictions"]])
    assert np.abs(got - want).max() <= 1e-9  # JSON has 15 digits here
    assert {p["prediction"] for p in batch["predictions"]} == {"bought", "left"}
    assert one.json()["prediction"] == batch["predictions"][7]["prediction"]
    assert [(f["name"], f["type"], f["nullable"]) for f in described] == [
        ("age", "float64", False),
        ("children", "int64", False),
        ("home owner", "bool", False),
        ("colour", "string", True),
        ("plan", "string", False),
        ("income", "float64", True),
    ]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        pytest.param("age", "45", id="a number as text"),
        pytest.param("age", None, id="null where none was missing"),
        pytest.param("children", 1.5, id="half a child"),
        pytest.param("children", True, id="truth for a number"),
        pytest.param("home owner", 1, id="a number for truth"),
        pytest.param("colour", 3, id="a number for text"),
        pytest.param("plan", None, id="null for a category"),
        pytest.param("plan", "z", id="a category that training did not have"),
    ],
)
async def test_a_cell_that_is_not_of_its_columns_type_is_a_400(
    tmp_path: Path, name: str, cell: Any
) -> None:
    """Alone and among good rows; the good ones before it do not make it a 500."""
    table, labels = people()
    pack(people_pipeline().fit(table, labels), table, tmp_path, Description(name="people"))
    good = records_of(table)[1]
    async with client_of(tmp_path) as client:
        one = await client.post("/predict", json=good | {name: cell})
        batch = await client.post("/batch-predict", json={"records": [good, good | {name: cell}]})
        fine = await client.post("/predict", json=good)
    assert (one.status_code, batch.status_code, fine.status_code) == (400, 400, 200)
    assert name in one.json()["details"]


@pytest.mark.parametrize(
    ("step", "value"),
    [
        pytest.param(PolynomialFeatures(9), 1e37, id="infinite on the way"),
        pytest.param(FunctionTransformer(np.log1p), -2.0, id="no number on the way"),
    ],
)
@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
async def test_a_value_that_a_step_cannot_compute_with_is_a_400(
    tmp_path: Path, step: Any, value: float
) -> None:
    """Of its column's type it is: which values a model takes, only the model knows."""
    rows = np.arange(20.0).reshape(10, 2) / 20
    estimator = make_pipeline(step, LogisticRegression(max_iter=20)).fit(rows, [0, 1] * 5)
    pack(estimator, rows, tmp_path, Description(name="steps"))
    async with client_of(tmp_path) as client:
        row = (await client.get("/model/features")).json()["example"]
        fine = await client.post("/predict", json=row)
        answer = await client.post("/predict", json=row | {next(iter(row)): value})
    assert (fine.status_code, answer.status_code) == (200, 400)
    assert "a value" in answer.json()["details"]


async def test_the_largest_whole_numbers_keep_their_sign(tmp_path: Path) -> None:
    """In a table of numbers they are floats on their way: 2**63 - 1 becomes 2**63."""
    table = pd.DataFrame({"id": np.array([-(2**62), 2**62] * 5), "x": np.arange(10.0)})
    estimator = KNeighborsClassifier(1).fit(table, table["id"] > 0)
    pack(estimator, table, tmp_path, Description(name="signs"))
    async with client_of(tmp_path) as client:
        for number in (2**63 - 1, 2**63 - 512, 2**63 - 513, -(2**63)):
            answer = await client.post("/predict", json={"id": number, "x": 1.5})
            assert (number, answer.json().get("prediction")) == (number, number > 0)


async def test_an_unknown_category_is_answered_where_the_model_ignores_it(tmp_path: Path) -> None:
    """It is the estimator's to say."""
    table, labels = people()
    estimator = people_pipeline(unknown="ignore").fit(table, labels)
    pack(estimator, table, tmp_path, Description(name="people"))
    async with client_of(tmp_path) as client:
        answer = await client.post("/predict", json=records_of(table)[1] | {"plan": "z"})
    assert answer.status_code == 200


def test_missing_text_is_written_as_in_training(tmp_path: Path) -> None:
    """Encoders take None and NaN for two categories."""
    x = np.array([["a"], ["b"], [None]] * 20, dtype=object)
    y = [0, 1, 1] * 20
    for i, missing in enumerate((None, np.nan)):
        x[2::3, 0] = missing
        estimator = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(x, y)
        model = served(estimator, x, tmp_path / str(i))
        rows = np.array([["a"], [None]], dtype=object)
        assert model.predict(rows).predictions.tolist() == [0, 1]


def test_codes_that_an_encoder_does_not_know_do_not_stop_the_comparison(tmp_path: Path) -> None:
    """Random numbers are refused by it: the engines are compared on shuffled examples."""
    x = np.random.default_rng(SEED).integers(0, 3, (200, 2)).astype(float)
    estimator = make_pipeline(OrdinalEncoder(), LogisticRegression()).fit(x, x[:, 0] > 1)
    model = served(estimator, x, tmp_path)
    assert model.engine.name == "scikit-learn-argmax", model.engine_reason
    assert model.rows_checked > 1000


async def test_boosting_with_categories_of_a_data_frame(tmp_path: Path) -> None:
    """The type of the column said that it is one; requests have only text."""
    table, labels = people()
    table = table.drop(columns="colour")
    estimator = HistGradientBoostingClassifier(max_iter=5, random_state=SEED).fit(table, labels)
    model = served(estimator, table, tmp_path)
    rows = table.astype(object).to_numpy()
    want = estimator.predict_proba(table)
    assert np.abs(model.predict(rows).probabilities - want).max() <= 1e-12


async def test_a_model_of_texts_takes_one_column(tmp_path: Path) -> None:
    """Vectorizers want a list, not a table."""
    texts = ["cheap pills now", "meeting at noon", "cheap watches", "lunch at noon"] * 5
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0] * 5)
    pack(estimator, texts, tmp_path, Description(name="spam"))
    async with client_of(tmp_path) as client:
        answer = await client.post("/predict", json={"text": "cheap lunch pills"})
    want = estimator.predict_proba(["cheap lunch pills"])[0]
    assert answer.json()["prediction"] == 1
    assert np.abs(np.array(answer.json()["probability"]) - want).max() <= 1e-12


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: RandomForestClassifier(10, random_state=SEED), id="forest"),
        pytest.param(lambda: OneVsRestClassifier(LogisticRegression()), id="one against the rest"),
    ],
)
async def test_a_multilabel_model_says_how_probable_each_label_is(
    tmp_path: Path, make: Callable[[], Any]
) -> None:
    """Its prediction is a list; no single probability is the confidence."""
    x, y = IRIS
    labels = np.column_stack([y > 0, y > 1, y == 1]).astype(int)
    estimator = make().fit(x, labels)
    described = Description(name="labels", class_names=["big", "bigger", "middle"])
    pack(estimator, x, tmp_path, described)
    row = dict(zip([f"feature_{i + 1}" for i in range(4)], x[80].tolist(), strict=True))
    async with client_of(tmp_path) as client:
        answer = (await client.post("/predict", json=row)).json()
        batch = (await client.post("/batch-predict", json={"records": [row]})).json()
        described_as = (await client.get("/model/metadata")).json()
    assert answer["prediction"] == labels[80].tolist()
    assert [p > 0.5 for p in answer["probability"]] == [bool(p) for p in answer["prediction"]]
    assert answer["confidence"] is None
    assert batch["predictions"][0]["probability"] == answer["probability"]
    assert described_as["classes"] == ["big", "bigger", "middle"]


async def test_a_regressor_with_several_outputs_answers_a_list(tmp_path: Path) -> None:
    """Probability and confidence are null."""
    x, y = DIABETES
    estimator = RandomForestRegressor(5, random_state=SEED).fit(x, np.column_stack([y, -y]))
    pack(estimator, x, tmp_path, Description(name="two"))
    row = dict(zip([f"feature_{i + 1}" for i in range(10)], x[0].tolist(), strict=True))
    async with client_of(tmp_path) as client:
        answer = (await client.post("/predict", json=row)).json()
    assert answer["prediction"] == estimator.predict(x[:1])[0].tolist()
    assert (answer["probability"], answer["confidence"]) == (None, None)


async def test_why_no_faster_engine_is_used_is_told(tmp_path: Path) -> None:
    """In the model's metadata and beside the engine's name in the metrics."""
    x, y = IRIS
    pack(SVC().fit(x, y), x, tmp_path, Description(name="machine"))
    async with client_of(tmp_path) as client:
        metadata = (await client.get("/model/metadata")).json()
        metrics = (await client.get("/metrics")).text
    assert metadata["engine"] == "scikit-learn"
    assert metadata["engine_reason"] == "no faster engine knows SVC"
    assert metadata["engine_rows_checked"] == 0
    assert 'engine_reason="no faster engine knows SVC"' in metrics


def test_what_cannot_predict_cannot_be_packed(tmp_path: Path) -> None:
    """Told to the one who tries, and again where someone got past."""
    x, _ = IRIS
    scaler = StandardScaler().fit(x)
    with pytest.raises(NotPackable, match="no predict"):
        pack(scaler, x, tmp_path, Description(name="scaler"))
    with pytest.raises(NotPackable, match="not fitted"):
        pack(LogisticRegression(), x, tmp_path, Description(name="raw"))
    model = LogisticRegression(max_iter=1000).fit(*IRIS)
    pack(model, x, tmp_path, Description(name="model"))
    dates = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=3)})
    with pytest.raises(NotPackable, match="day"):
        pack(model, dates, tmp_path, Description(name="dates"))


def test_a_manifest_with_other_columns_than_training_is_refused(tmp_path: Path) -> None:
    """Columns in another order would be silently swapped."""
    table, labels = people()
    pack(people_pipeline().fit(table, labels), table, tmp_path, Description(name="people"))
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    features = manifest["signature"]["features"]
    features[0]["name"], features[5]["name"] = features[5]["name"], features[0]["name"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(ModelLoadFailed, match="trained on the columns age"):
        load(from_environment({"MODEL_PATH": str(tmp_path)}))
