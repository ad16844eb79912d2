"""`modelserver pack` on a folder that MLflow wrote."""

import json
import pickle
import shutil
import subprocess
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelserver_runtime.loading import load
from modelserver_runtime.settings import from_environment
from runtime.command import modelserver
from runtime.estimators import IRIS
from runtime.process import BUNDLED
from runtime.programs import program

X, Y = IRIS
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
TABLE = pd.DataFrame(X, columns=NAMES)


def manifest(folder: Path) -> dict[str, Any]:
    """What was written."""
    return json.loads((folder / "manifest.json").read_text())


def mlflow(folder: Path, **changes: Any) -> Path:
    """The folder that MLflow writes for the model of irises, pickled."""
    folder.mkdir()
    (folder / "model.pkl").write_bytes(
        pickle.dumps(make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, Y))
    )
    inputs = [{"type": "double", "name": name, "required": True} for name in NAMES]
    described = {
        "flavors": {
            "python_function": {"loader_module": "mlflow.sklearn"},
            "sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"},
        },
        "signature": {"inputs": json.dumps(inputs), "outputs": None, "params": None},
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "pandas_orient": "split",
            "type": "dataframe",
        },
    }
    (folder / "MLmodel").write_text(yaml.safe_dump(described | changes))
    (folder / "requirements.txt").write_text("scikit-learn\n")
    example = TABLE.head(5).to_json(orient="split", index=False)
    (folder / "input_example.json").write_text(example)
    return folder


def test_an_example_that_is_not_in_the_folder_is_none_of_it(tmp_path: Path) -> None:
    """It was read from wherever MLmodel said, and written as far from the artifact."""
    (tmp_path / "from").mkdir()
    example = {"artifact_path": "../../example.json"}
    folder = mlflow(tmp_path / "from" / "irises", saved_input_example_info=example)
    (tmp_path / "example.json").write_text(TABLE.head(5).to_json(orient="split", index=False))
    done = modelserver("pack", folder, "--trust", "-o", tmp_path / "to" / "out")
    assert done.code == 0, done.err
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["out"]
    files = {f["path"] for f in manifest(tmp_path / "to" / "out")["files"]}
    assert files == {"MLmodel", "model.pkl", "model.skops", "requirements.txt"}


def test_an_mlflow_model_folder(tmp_path: Path) -> None:
    """Its signature and its example are used; MLflow can still read what comes out."""
    folder = mlflow(tmp_path / "irises")
    done = modelserver("pack", folder, "-o", tmp_path / "out")
    assert (done.code, done.out) == (85, "")
    assert "--trust" in done.said
    done = modelserver("pack", folder, "--trust", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    made = manifest(tmp_path / "out")
    assert made["name"] == "irises"
    assert [f["name"] for f in made["signature"]["features"]] == NAMES
    assert made["golden"]["rows"] == TABLE.head(5).to_numpy().tolist()
    assert {f["path"]: f.get("format") for f in made["files"]} == {
        "MLmodel": None,
        "input_example.json": None,
        "model.pkl": "joblib",
        "model.skops": "skops",
        "requirements.txt": None,
    }
    assert (tmp_path / "out" / "model.pkl").read_bytes() == (folder / "model.pkl").read_bytes()
    model = load(from_environment({"MODEL_PATH": str(tmp_path / "out")}))
    assert (
        model.predict(X).predictions.tolist()
        == joblib.load(folder / "model.pkl").predict(TABLE).tolist()
    )


def test_the_bundled_mlflow_folder_needs_no_trust(tmp_path: Path) -> None:
    """Its model is a skops file; the signature has the names, and no example is there."""
    folder = tmp_path / "cancer"
    shutil.copytree(BUNDLED, folder)
    (folder / "manifest.json").unlink()
    done = modelserver("pack", folder, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    made = manifest(tmp_path / "out")
    assert [f["name"] for f in made["signature"]["features"]][:2] == ["feature_1", "feature_2"]
    assert (tmp_path / "out" / "model.skops").read_bytes() == (BUNDLED / "model.skops").read_bytes()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            {"flavors": {"xgboost": {}}}, "flavors xgboost, but only sklearn", id="flavor"
        ),
        pytest.param({"flavors": 3}, "it has no flavors", id="no flavors"),
        pytest.param(
            {"flavors": {"sklearn": {"pickled_model": "gone.pkl"}}},
            "gone.pkl: not there",
            id="no file",
        ),
        pytest.param(
            {"flavors": {"sklearn": {"pickled_model": "../iris.joblib"}}}, "not there", id="outside"
        ),
    ],
)
def test_an_mlflow_folder_that_is_none_of_ours(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    """Said by what is in its description."""
    (tmp_path / "iris.joblib").write_bytes(b"")
    folder = mlflow(tmp_path / "irises", **changes)
    done = modelserver("pack", folder, "--trust", "-o", tmp_path / "out")
    assert (done.code, done.out) == (65, "")
    assert said in done.said


SAVE = """
import sys
import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

rows, labels = load_iris(return_X_y=True, as_frame=True)
model = LogisticRegression(max_iter=900).fit(rows, labels)
signature = infer_signature(rows, model.predict(rows))
given = {"serialization_format": sys.argv[2], "input_example": rows[:5]}
mlflow.sklearn.save_model(model, sys.argv[1], signature=signature, **given)
"""
LOAD = """
import sys
import mlflow.sklearn
from sklearn.datasets import load_iris

rows = load_iris(as_frame=True).data
print(mlflow.sklearn.load_model(sys.argv[1]).predict(rows).tolist())
"""


@pytest.mark.programs
@pytest.mark.parametrize("format_", ["skops", "cloudpickle", "pickle"])
def test_what_mlflow_itself_writes(format_: str, tmp_path: Path) -> None:
    """Packed, it answers as MLflow's own model does, and MLflow can still load it."""
    python = Path(program("MLFLOW")).parent / "python"

    def mlflow_says(script: str, *arguments: object) -> str:
        command = [python, "-c", script, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    mlflow_says(SAVE, tmp_path / "saved", format_)
    trust = () if format_ == "skops" else ("--trust",)
    done = modelserver("pack", tmp_path / "saved", *trust, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    model = load(from_environment({"MODEL_PATH": str(tmp_path / "out")}))
    assert model.manifest.signature.names[0] == "sepal length (cm)"
    assert model.manifest.golden is not None
    assert len(model.manifest.golden.rows) == 5
    assert model.predict(X).predictions.tolist() == json.loads(mlflow_says(LOAD, tmp_path / "out"))
