"""Training rows by column: what the features are, and the rows as a request would bring them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.artifact import Feature, Histogram
from modelserver_runtime.engines import Rows
from modelserver_runtime.errors import NotPackable
from modelserver_runtime.packing.baseline import histogram
from modelserver_runtime.packing.features import feature_of, is_missing


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """
    Rows that a model is described by.

    Args:
        features: their columns.
        rows: shape (rows, features), as requests bring them.
        baseline: how each column of numbers is distributed; empty where the rows are made up.
        origin: what the rows are, for a sentence.
    """

    features: tuple[Feature, ...]
    rows: Rows
    baseline: Mapping[str, Histogram]
    origin: str = "the rows of the data"

    @classmethod
    def of(cls, training: Any) -> "Sample":
        """
        The sample that training rows are.

        Args:
            training: array, DataFrame or list of texts.

        Raises:
            NotPackable: a column is of a type no request can have, or there is no row.
        """
        columns = columns_of(training)
        if not columns or not min(map(len, columns.values())):
            raise NotPackable("the data has no row: give at least one")
        features = tuple(feature_of(name, column) for name, column in columns.items())
        rows = rows_of(columns, features)
        baseline = {
            feature.name: histogram(rows[:, i].astype(np.float64))
            for i, feature in enumerate(features)
            if feature.type in ("float64", "int64")
        }
        return cls(features=features, rows=rows, baseline=baseline)

    def titled(self, titles: Mapping[str, str]) -> "Sample":
        """
        The same with titles for people, by the features' names.

        Raises:
            NotPackable: a name is not a feature's.
        """
        unknown = set(titles) - {feature.name for feature in self.features}
        if unknown:
            names = ", ".join(feature.name for feature in self.features)
            raise NotPackable(f"a title is given for {min(unknown)}, but the features are {names}")
        features = [
            feature.model_copy(update={"title": titles[feature.name]})
            if feature.name in titles
            else feature
            for feature in self.features
        ]
        return replace(self, features=tuple(features))

    def require_width_of(self, estimator: Any) -> None:
        """
        Compare with what *estimator* was trained on.

        Raises:
            NotPackable: another number of columns.
        """
        trained = getattr(estimator, "n_features_in_", None)
        if trained is not None and trained != len(self.features):
            raise NotPackable(
                f"the data has {len(self.features)} columns, but the model was trained on "
                f"{trained}: give the columns it was trained on, and name the target if it is one"
                " of them"
            )


def columns_of(training: Any) -> dict[str, NDArray[Any]]:
    """The columns of *training* by name, whatever it came in."""
    if hasattr(training, "columns"):
        columns = {str(name): np.asarray(training[name]) for name in training.columns}
        if len(columns) != len(training.columns):
            raise NotPackable("two columns of the data have one name")
        return columns
    matrix = np.asarray(training)
    if matrix.ndim == 1:  # texts
        return {"text": matrix.astype(object)}
    if matrix.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise NotPackable(f"the data has {matrix.ndim} dimensions, but a table has 2")
    return {f"feature_{i + 1}": column for i, column in enumerate(matrix.T)}


def rows_of(columns: Mapping[str, NDArray[Any]], features: tuple[Feature, ...]) -> Rows:
    """The rows as a request would bring them."""
    if all(feature.type != "string" for feature in features):
        return np.column_stack([np.asarray(c, dtype=np.float64) for c in columns.values()])
    rows = np.empty((len(next(iter(columns.values()))), len(features)), dtype=object)
    for i, (column, feature) in enumerate(zip(columns.values(), features, strict=True)):
        cells = column.astype(object)
        cells[is_missing(column)] = None if feature.type == "string" else np.nan
        rows[:, i] = cells
    return rows
