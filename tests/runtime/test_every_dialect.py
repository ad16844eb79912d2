"""Every dialect's answers are scikit-learn's own, whatever kind of model is asked."""

import csv
import io
import json
import struct
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from modelserver_runtime.packing import Description, pack
from modelserver_runtime.settings import from_environment
from runtime.in_process import asked
from runtime.test_docs import examples, filled

SEED = 11
ROWS = 40
TOLERANCE = 1e-12


def people() -> tuple[Any, pd.DataFrame]:
    """A pipeline of columns of every type, some of it missing, with text for labels."""
    chance = np.random.default_rng(SEED)
    table = pd.DataFrame(
        {
            "age": chance.uniform(20, 70, 200),
            "children": chance.integers(0, 5, 200),
            "home owner": chance.random(200) < 0.5,
            "colour, or none": chance.choice(["red", "grün", 'dark "blue"'], 200),
            "income": chance.lognormal(10, 1, 200),
        }
    )
    table.loc[::7, "colour, or none"] = None
    table.loc[::11, "income"] = np.nan
    labels = np.where((table["age"] > 45) ^ (table["colour, or none"] == "red"), "bought", "left")
    columns = make_column_transformer(
        (OneHotEncoder(), ["colour, or none"]),
        (SimpleImputer(), ["age", "children", "income"]),
        remainder="passthrough",
    )
    forest = RandomForestClassifier(10, random_state=SEED)
    return make_pipeline(columns, forest).fit(table, labels), table


def irises() -> tuple[Any, NDArray[np.float64]]:
    """Three classes of numbers."""
    x, y = load_iris(return_X_y=True)
    return LogisticRegression(max_iter=1000).fit(x, y), x


def without_probabilities() -> tuple[Any, NDArray[np.float64]]:
    """Labels of text, and nothing else."""
    x, y = load_iris(return_X_y=True)
    return LinearSVC().fit(x, np.array(["a", "b", "c"])[y]), x


def progression() -> tuple[Any, NDArray[np.float64]]:
    """A regressor."""
    x, y = load_diabetes(return_X_y=True)
    return HistGradientBoostingRegressor(max_iter=10).fit(x, y), x


def outliers() -> tuple[Any, NDArray[np.float64]]:
    """1 and -1."""
    x = load_iris().data
    return IsolationForest(n_estimators=10, random_state=SEED).fit(x), x


def multilabel() -> tuple[Any, NDArray[np.float64]]:
    """Three answers for each row."""
    x, y = load_iris(return_X_y=True)
    labels = np.column_stack([y > 0, y > 1, y == 1]).astype(int)
    return RandomForestClassifier(10, random_state=SEED).fit(x, labels), x


MODELS = [
    pytest.param(make, id=make.__name__)
    for make in (people, irises, without_probabilities, progression, outliers, multilabel)
]


def serving(folder: Path) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """A client of the model in *folder*."""
    return asked(from_environment({"MODEL_PATH": str(folder)}))


def cells(training: Any) -> list[list[Any]]:
    """Rows of Python values, None for what is missing."""
    table = pd.DataFrame(training).head(ROWS).astype(object)
    return table.where(table.notna(), None).to_numpy().tolist()


def tensors(features: list[dict[str, Any]], rows: list[list[Any]]) -> list[dict[str, Any]]:
    """One for each column."""
    types = {"float64": "FP64", "int64": "INT64", "bool": "BOOL", "string": "BYTES"}
    return [
        {"name": f["name"], "shape": [len(rows)], "datatype": types[f["type"]], "data": [*column]}
        for f, column in zip(features, zip(*rows, strict=True), strict=True)
    ]


def as_csv(names: list[str], rows: list[list[Any]]) -> str:
    """With an empty cell for what is missing."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([names, *rows])
    return file.getvalue()


@pytest.mark.parametrize("make", MODELS)
async def test_every_dialect_answers_as_scikit_learn(make: Any, tmp_path: Path) -> None:
    """Labels equal, numbers and probabilities to 1e-12."""
    estimator, training = make()
    pack(estimator, training, tmp_path, Description(name="m"))
    rows = cells(training)
    head = training.head(ROWS) if isinstance(training, pd.DataFrame) else training[:ROWS]
    want = np.asarray(estimator.predict(head))

    async with serving(tmp_path) as client:
        features = (await client.get("/model/features")).json()["features"]
        names = [f["name"] for f in features]
        records = [dict(zip(names, row, strict=True)) for row in rows]
        columns = {n: [*c] for n, c in zip(names, zip(*rows, strict=True), strict=True)}
        for body in (
            {"dataframe_split": {"columns": names, "data": rows}},
            {"dataframe_records": records},
            {"instances": records},
            {"inputs": columns},
            {"inputs": rows},
        ):
            assert_same(await predictions(client, "/invocations", json=body), want)
        headers = {"content-type": "text/csv"}
        content = as_csv(names, rows)
        assert_same(
            await predictions(client, "/invocations", content=content, headers=headers), want
        )
        for body in ({"instances": rows}, {"instances": records}):
            assert_same(await predictions(client, "/v1/models/m:predict", json=body), want)
        batch = (await client.post("/batch-predict", json={"records": records})).json()
        assert_same([one["prediction"] for one in batch["predictions"]], want)
        await assert_tensors(client, estimator, head, tensors(features, rows), want)


async def predictions(client: httpx.AsyncClient, path: str, **request: Any) -> Any:
    """Ask; the list that comes back."""
    answer = await client.post(path, **request)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"predictions"}
    return answer.json()["predictions"]


def assert_same(got: Any, want: NDArray[Any]) -> None:
    """Numbers nearly, all else exactly; and of the same shape."""
    found = np.array(got)
    assert found.shape == want.shape
    if want.dtype.kind == "f":
        assert np.abs(found - want).max() <= TOLERANCE * np.abs(want).max()
    else:
        assert found.tolist() == want.tolist()


async def assert_tensors(
    client: httpx.AsyncClient,
    estimator: Any,
    head: Any,
    inputs: list[dict[str, Any]],
    want: NDArray[Any],
) -> None:
    """The outputs are what the metadata says; as binary data they are the same."""
    metadata = (await client.get("/v2/models/m")).json()
    wanted = [{"name": output["name"]} for output in metadata["outputs"]]
    answer = await client.post("/v2/models/m/infer", json={"inputs": inputs, "outputs": wanted})
    assert answer.status_code == 200, answer.text
    outputs = answer.json()["outputs"]
    assert [
        {"name": o["name"], "datatype": o["datatype"], "shape": [-1, *o["shape"][1:]]}
        for o in outputs
    ] == metadata["outputs"]
    assert_same(np.array(outputs[0]["data"]).reshape(outputs[0]["shape"]), want)
    if len(outputs) > 1 and want.ndim == 1:
        proba = np.array(outputs[1]["data"]).reshape(outputs[1]["shape"])
        assert np.abs(proba - estimator.predict_proba(head)).max() <= TOLERANCE
    else:
        assert (want.ndim == 2) == (len(outputs) > 1)

    body = {"inputs": inputs, "outputs": wanted, "parameters": {"binary_data_output": True}}
    binary = await client.post("/v2/models/m/infer", json=body)
    length = int(binary.headers["inference-header-content-length"])
    rest = binary.content[length:]
    for described, output in zip(
        json.loads(binary.content[:length])["outputs"], outputs, strict=True
    ):
        size = described["parameters"]["binary_data_size"]
        part, rest = rest[:size], rest[size:]
        assert decoded(part, output["datatype"]) == output["data"]
    assert rest == b""


def decoded(part: bytes, datatype: str) -> list[Any]:
    """Binary data of one tensor."""
    kinds: Mapping[str, str] = {"FP64": "<f8", "INT64": "<i8", "BOOL": "?"}
    if datatype in kinds:
        return np.frombuffer(part, kinds[datatype]).tolist()
    strings = []
    while part:
        (length,) = struct.unpack_from("<I", part)
        strings.append(part[4 : 4 + length].decode())
        part = part[4 + length :]
    return strings


@pytest.mark.parametrize("make", MODELS)
async def test_examples_of_every_kind_of_model_can_be_sent(make: Any, tmp_path: Path) -> None:
    """Text with quotes and umlauts among them."""
    estimator, training = make()
    pack(estimator, training, tmp_path, Description(name="m"))
    async with serving(tmp_path) as client:
        schema = (await client.get("/openapi.json")).json()
        for path, item in schema["paths"].items():
            if "post" not in item:
                continue
            for content_type, example in examples(item["post"]):
                body = {"content": example} if isinstance(example, str) else {"json": example}
                headers = {"content-type": content_type}
                answer = await client.post(filled(path, item["post"]), headers=headers, **body)
                assert answer.status_code == 200, (path, answer.text)
