"""Fitted estimators of every kind, and a table with columns of every type."""

import inspect
import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SEED = 7
IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


# What is no model of one kind of table, or what skops does not write.
NOT_SERVED = {
    "Birch": "skops does not support it",
    "BisectingKMeans": "skops stores a function that is not allowed",
    "PassiveAggressiveClassifier": "deprecated",
    "PassiveAggressiveRegressor": "deprecated",
}
IN_NEED_OF_TWO_OUTPUTS = ("CCA", "PLSCanonical")


SMALL = {"n_estimators": 10, "max_iter": 10}
"""Ten trees show what a hundred do."""


def _grows(name: str, parameter: str) -> bool:
    return parameter == "n_estimators" or name.startswith("HistGradientBoosting")


def fitted(name: str, kind: type[BaseEstimator], of: str) -> tuple[Any, Any] | None:
    """The estimator, fitted, and what it was fitted on; None where it cannot be."""
    x, y = DIABETES if of == "regressor" else IRIS
    x, y = np.abs(x), np.abs(y)
    given = inspect.signature(kind.__init__).parameters
    inner = Ridge() if of == "regressor" else LogisticRegression(max_iter=1000)
    positional: tuple[Any, ...] = ()
    if "estimators" in given:
        positional = ([("a", inner), ("b", inner)],)
    elif (name != "RANSACRegressor" and "estimator" in given) or "base_estimator" in given:
        positional = (inner,)
    if name in IN_NEED_OF_TWO_OUTPUTS or name.startswith(("MultiTask", "MultiOutput", "Regressor")):
        y = np.column_stack([y, y[::-1]])
    if name == "ClassifierChain":
        y = np.column_stack([y > 0, y > 1]).astype(int)
    if "Threshold" in name:
        y = (y > 0).astype(int)
    if name == "IsotonicRegression":
        x = x[:, :1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged: a fit is all we need
        estimator = kind(*positional)
        estimator.set_params(**{k: v for k, v in SMALL.items() if k in given and _grows(name, k)})
        estimator.fit(x, y)
    return (estimator, x) if hasattr(estimator, "predict") else None


def people() -> tuple[pd.DataFrame, Any]:
    """A table with a column of every type, some of it missing."""
    chance = np.random.default_rng(SEED)
    count = 300
    table = pd.DataFrame(
        {
            "age": chance.uniform(20, 70, count),
            "children": chance.integers(0, 5, count),
            "home owner": chance.random(count) < 0.5,
            "colour": chance.choice(["red", "green", "blue"], count),
            "plan": pd.Categorical(chance.choice(["a", "b", "c"], count)),
            "income": chance.lognormal(10, 1, count),
        }
    )
    table.loc[::7, "colour"] = None
    table.loc[::11, "income"] = np.nan
    bought = (table["age"] > 45) ^ (table["colour"] == "red") ^ (table["plan"] == "a")
    return table, np.where(bought, "bought", "left")


def people_pipeline(unknown: str = "error") -> Any:
    """Columns chosen by name and by type."""
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
            (OneHotEncoder(handle_unknown=unknown), ["colour", "plan"]),
            ("passthrough", make_column_selector(dtype_include=["int64", "bool"])),
        ),
        LogisticRegression(max_iter=1000),
    )


def records_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON objects, null where something is missing."""
    return json.loads(table.to_json(orient="records", double_precision=15))
