"""
Makes `artifacts/model/`, the bundled model: breast cancer, a scaler and a logistic regression.

The data set is the one inside scikit-learn, the split has a fixed seed, and every time stamp is
SOURCE_DATE_EPOCH (default 2026-01-01). A second run gives the same manifest keys and the same
answers within 1e-9; the bytes that are committed are what is pinned.
"""

import hashlib
import io
import json
import os
import platform
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
import skops
import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 42
EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "1767225600"))
GOLDEN_ROWS = 12
HISTOGRAM_BINS = 10
MODEL_FORMATS = {"model.skops": "skops", "model.joblib": "joblib"}


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
    metrics = {
        "accuracy": float(accuracy_score(y_test, predicted)),
        "f1_score": float(f1_score(y_test, predicted)),
    }
    (folder / "model.skops").write_bytes(skops_bytes(model))
    (folder / "model.joblib").write_bytes(joblib_bytes(model))
    (folder / "requirements.txt").write_text(requirements())
    (folder / "conda.yaml").write_text(conda())
    (folder / "MLmodel").write_text(mlmodel(bunch.data.shape[1]))
    manifest = describe(model, x_train, x_test, list(bunch.feature_names), list(bunch.target_names))
    manifest |= {"metrics": metrics, "files": [file_entry(path) for path in model_files(folder)]}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    print(f"{folder}: accuracy {metrics['accuracy']:.4f}, sha256:{digest}")


def skops_bytes(model: Pipeline) -> bytes:
    """The model as a skops file whose entries carry the epoch, not the time of day."""
    out = io.BytesIO()
    date = datetime.fromtimestamp(EPOCH, UTC).timetuple()[:6]
    with (
        zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as made,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in sorted(made.namelist()):
            entry = zipfile.ZipInfo(name, date)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, made.read(name))
    return out.getvalue()


def joblib_bytes(model: Pipeline) -> bytes:
    """The model as joblib writes it."""
    out = io.BytesIO()
    joblib.dump(model, out)
    return out.getvalue()


def describe(
    model: Pipeline, x_train: Any, x_test: Any, titles: list[str], class_names: list[str]
) -> dict[str, Any]:
    """
    The manifest but for files and metrics; golden rows are spread over the test set by certainty.
    """
    by_certainty = np.argsort(model.predict_proba(x_test)[:, 1])
    chosen = by_certainty[np.linspace(0, len(by_certainty) - 1, GOLDEN_ROWS).astype(int)]
    golden = x_test[chosen]
    return {
        "schema_version": 1,
        "name": "breast-cancer",
        "version": "1.0.0",
        "description": (
            "Breast cancer, malignant (0) or benign (1), from 30 measurements of cell nuclei"
        ),
        "task": "classification",
        "created": datetime.fromtimestamp(EPOCH, UTC).isoformat().replace("+00:00", "Z"),
        "signature": {
            "features": [
                {
                    "name": f"feature_{i + 1}",
                    "title": str(title),
                    "type": "float64",
                    "nullable": False,
                    "minimum": float(x_train[:, i].min()),
                    "maximum": float(x_train[:, i].max()),
                }
                for i, title in enumerate(titles)
            ],
            "outputs": [
                {"name": "prediction", "type": "int64"},
                {"name": "probability", "type": "float64", "shape": [len(class_names)]},
            ],
        },
        "classes": [
            {"label": int(label), "name": str(class_names[int(label)])} for label in model.classes_
        ],
        "framework_versions": {
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
            "joblib": joblib.__version__,
            "skops": skops.__version__,
        },
        "golden": {
            "tolerance": 1e-9,
            "rows": golden.tolist(),
            "predictions": model.predict(golden).tolist(),
            "probabilities": model.predict_proba(golden).tolist(),
        },
        "baseline": {f"feature_{i + 1}": histogram(x_train[:, i]) for i in range(x_train.shape[1])},
    }


def histogram(column: Any) -> dict[str, list[float]]:
    """Deciles of a column in training, with how many values lie in each."""
    edges = np.unique(np.quantile(column, np.linspace(0, 1, HISTOGRAM_BINS + 1)))
    counts, edges = np.histogram(column, bins=edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def model_files(folder: Path) -> list[Path]:
    """The files the manifest lists, model files first."""
    return [folder / name for name in (*MODEL_FORMATS, "MLmodel", "conda.yaml", "requirements.txt")]


def file_entry(path: Path) -> dict[str, Any]:
    """One file with its hash, size and, for a model, format."""
    content = path.read_bytes()
    entry: dict[str, Any] = {
        "path": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    if path.name in MODEL_FORMATS:
        entry["format"] = MODEL_FORMATS[path.name]
    return entry


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
    created = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
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
