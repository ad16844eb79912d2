"""`modelserver pack` takes an ONNX file as it is, and records what it answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from modelserver_runtime.settings import from_environment
from runtime.command import modelserver
from runtime.estimators import DIABETES, IRIS
from runtime.in_process import listening
from runtime.onnx_make import converted

X, Y = IRIS
KINDS = np.array(["setosa", "versicolor", "virginica"])[Y]
LIKE = X.astype(np.float32)


def written(estimator: Any, like: Any, folder: Path) -> Path:
    """The path of *estimator* as an ONNX file."""
    path = folder / "model.onnx"
    path.write_bytes(converted(estimator, like))
    return path


def manifest(folder: Path) -> dict[str, Any]:
    """What was written."""
    return json.loads((folder / "manifest.json").read_text())


async def test_a_classifier_with_its_data(tmp_path: Path) -> None:
    """Packed without trust, verified, and answered over HTTP as scikit-learn does."""
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, KINDS)
    model = written(estimator, LIKE, tmp_path)
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    table.assign(kind=KINDS).to_csv(tmp_path / "data.csv", index=False)
    out = tmp_path / "out"
    done = modelserver(
        "pack", model, "-o", out, "--data", tmp_path / "data.csv", "--target", "kind"
    )
    assert (done.code, done.err) == (0, "")
    made = manifest(out)
    assert [f["path"] for f in made["files"]] == ["model.onnx"]
    assert (out / "model.onnx").read_bytes() == model.read_bytes()
    assert [c["label"] for c in made["classes"]] == ["setosa", "versicolor", "virginica"]
    assert [f["name"] for f in made["signature"]["features"]] == ["a", "b", "c", "d"]
    assert made["metrics"]["accuracy"] == pytest.approx(estimator.score(X, KINDS), abs=0.02)
    assert set(made["framework_versions"]) == {"python", "numpy", "onnxruntime"}
    assert modelserver("verify", out).code == 0
    assert "model.onnx" in modelserver("inspect", out).out
    records = table.to_dict("records")
    async with listening(from_environment({"MODEL_PATH": str(out), "API_PORT": "0"})) as client:
        answer = (await client.post("/batch-predict", json={"records": records})).json()
    got = [a["probability"] for a in answer["predictions"]]
    assert np.abs(np.array(got) - estimator.predict_proba(X)).max() < 1e-5


def test_a_regressor_without_data(tmp_path: Path) -> None:
    """Its columns have no names and no ranges, and it says so."""
    x, y = DIABETES
    estimator = GradientBoostingRegressor(n_estimators=5).fit(x, y)
    model = written(estimator, x.astype(np.float32), tmp_path)
    done = modelserver("pack", model, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert "made up from what the model knows" in done.err
    made = manifest(tmp_path / "out")
    assert made["task"] == "regression"
    assert len(made["signature"]["features"]) == 10
    assert modelserver("verify", tmp_path / "out").code == 0


def test_labels_without_probabilities(tmp_path: Path) -> None:
    """They are recorded; scores that are no probabilities are refused, with what to do."""
    np.save(tmp_path / "x.npy", X)
    data = ("--data", tmp_path / "x.npy")
    model = written(LinearSVC().fit(X, Y), LIKE, tmp_path)
    done = modelserver("pack", model, "-o", tmp_path / "out", *data)
    assert done.code == 65
    assert "leave that output out" in done.said
    model = written(KMeans(3, random_state=0).fit(LIKE), LIKE, tmp_path)
    done = modelserver("pack", model, "-o", tmp_path / "out", *data)
    assert done.code == 0, done.err
    made = manifest(tmp_path / "out")
    assert made["task"] == "classification"
    assert {*made["golden"]["predictions"]} == {0, 1, 2}


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        pytest.param(b"hello", 81, "ModelLoadFailed", id="no ONNX"),
        pytest.param(b"", 81, "ModelLoadFailed", id="empty"),
    ],
)
def test_a_file_that_is_no_onnx(tmp_path: Path, content: bytes, code: int, said: str) -> None:
    """One sentence."""
    (tmp_path / "model.onnx").write_bytes(content)
    done = modelserver("pack", tmp_path / "model.onnx", "-o", tmp_path / "out")
    assert done.code == code
    assert said in done.said
    assert "Traceback" not in done.err


def test_data_with_other_columns(tmp_path: Path) -> None:
    """As for any other model."""
    model = written(LogisticRegression(max_iter=900).fit(X, Y), LIKE, tmp_path)
    np.save(tmp_path / "x.npy", X[:, :3])
    done = modelserver("pack", model, "-o", tmp_path / "out", "--data", tmp_path / "x.npy")
    assert done.code == 65
    assert "3 columns, but the model was trained on 4" in done.said
