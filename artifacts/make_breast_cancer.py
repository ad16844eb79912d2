"""
Makes `artifacts/model/`, the bundled model: breast cancer, a scaler and a logistic regression.

The data set is the one inside scikit-learn, the split has a fixed seed, and every time stamp is
SOURCE_DATE_EPOCH (default 2026-01-01). A second run gives the same manifest keys and the same
answers within 1e-9; the bytes that are committed are what is pinned.
"""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
import skops
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from modelserver_runtime.packing import GOLDEN_ROWS, Description, pack

SEED = 42
CREATED = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "1767225600")), UTC)
OTHER_FILES = ("MLmodel", "conda.yaml", "requirements.txt")


def main(folder: Path) -> None:
    """Train the model and write the artifact to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    bunch = load_breast_cancer()
    x_train, x_test, y_train, y_test = train_test_split(
        bunch.data, bunch.target, test_size=0.2, stratify=bunch.target, random_state=SEED
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=SEED))
    model.fit(x_train, y_train)
    predicted = model.predict(x_test)
    (folder / "requirements.txt").write_text(requirements())
    (folder / "conda.yaml").write_text(conda())
    (folder / "MLmodel").write_text(mlmodel(bunch.data.shape[1]))
    described = Description(
        name="breast-cancer",
        description=(
            "Breast cancer, malignant (0) or benign (1), from 30 measurements of cell nuclei"
        ),
        titles={f"feature_{i}": title for i, title in enumerate(bunch.feature_names.tolist(), 1)},
        class_names=bunch.target_names.tolist(),
        metrics={
            "accuracy": float(accuracy_score(y_test, predicted)),
            "f1_score": float(f1_score(y_test, predicted)),
        },
        examples=spread_by_certainty(model, x_test),
        formats=("skops", "joblib"),
        created=CREATED,
        other_files=OTHER_FILES,
    )
    digest = pack(model, x_train, folder, described)
    print(f"{folder}: accuracy {described.metrics['accuracy']:.4f}, {digest}")


def spread_by_certainty(model: Pipeline, rows: Any) -> Any:
    """A few rows, from surely malignant to surely benign."""
    by_certainty = np.argsort(model.predict_proba(rows)[:, 1])
    return rows[by_certainty[np.linspace(0, len(rows) - 1, GOLDEN_ROWS).astype(int)]]


def requirements() -> str:
    """What MLflow needs to load the model."""
    return (
        f"scikit-learn=={sklearn.__version__}\nskops=={skops.__version__}\n"
        f"joblib=={joblib.__version__}\nnumpy=={np.__version__}\n"
    )


def conda() -> str:
    """The same for conda users."""
    pip = "".join(f"  - {line}\n" for line in requirements().splitlines())
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"name: breast-cancer\ndependencies:\n- python={version}\n- pip\n- pip:\n{pip}"


def mlmodel(features: int) -> str:
    """
    MLflow's description of the folder: the scikit-learn flavour, with the signature's columns.
    """
    inputs = json.dumps(
        [{"type": "double", "name": f"feature_{i + 1}", "required": True} for i in range(features)]
    )
    outputs = json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}])
    created = CREATED.strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"""flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: requirements.txt
    loader_module: mlflow.sklearn
    model_path: model.skops
    predict_fn: predict
    python_version: {platform.python_version()}
  sklearn:
    code: null
    pickled_model: model.skops
    serialization_format: skops
    sklearn_version: {sklearn.__version__}
model_uuid: 00000000000040008000000000000001
signature:
  inputs: '{inputs}'
  outputs: '{outputs}'
  params: null
utc_time_created: '{created}'
"""


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "model")
