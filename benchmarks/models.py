"""The models that are measured: three families, one data set, one artifact each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelserver_runtime.packing import Description, pack

SEED = 42
BIG_ROWS = 1000


def estimators() -> dict[str, Any]:
    """By name, not yet fitted."""
    return {
        "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "forest": RandomForestClassifier(100, random_state=SEED),
        "boosting": HistGradientBoostingClassifier(random_state=SEED),
    }


@dataclass(frozen=True)
class Bodies:
    """Request bodies, as files that wrk can send."""

    one: Path
    big: Path
    big_v2: Path


def make_artifact(name: str, folder: Path) -> Path:
    """Fit and pack one model; its joblib file is for the textbook application."""
    data, target = load_breast_cancer(return_X_y=True)
    estimator = estimators()[name].fit(data, target)
    described = Description(name=name, formats=("skops", "joblib"))
    pack(estimator, data, folder / name, described)
    return folder / name


def make_bodies(folder: Path) -> Bodies:
    """One row, and a thousand: the data set's own with a little noise, so full-length numbers."""
    data = load_breast_cancer().data
    chance = np.random.default_rng(SEED)
    rows = data[chance.integers(len(data), size=BIG_ROWS)]
    rows = (rows * chance.uniform(0.99, 1.01, rows.shape)).tolist()
    names = [f"feature_{i + 1}" for i in range(data.shape[1])]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    tensor = {
        "name": "rows",
        "shape": [BIG_ROWS, data.shape[1]],
        "datatype": "FP64",
        "data": [cell for row in rows for cell in row],
    }
    bodies = Bodies(folder / "one.json", folder / "big.json", folder / "big-v2.json")
    bodies.one.write_bytes(orjson.dumps(records[0]))
    bodies.big.write_bytes(orjson.dumps({"records": records}))
    bodies.big_v2.write_bytes(orjson.dumps({"inputs": [tensor]}))
    return bodies
