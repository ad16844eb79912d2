"""An estimator is asked with what it was trained on: an array, a DataFrame, or a list of texts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from modelserver_runtime.artifact import Feature
from modelserver_runtime.engines import Rows, kind_of

AsInput = Callable[[Rows], Any]


def input_of(estimator: Any, features: Sequence[Feature]) -> AsInput:
    """
    What makes of a batch the thing that *estimator* wants.

    A DataFrame where it was trained on one: steps may choose their columns by name or by type.
    A list where its first step reads texts (vectorizers).
    """
    if reads_texts(estimator):
        return lambda rows: rows[:, 0]
    missing_text = _missing_text(estimator, features)
    if getattr(estimator, "feature_names_in_", None) is not None:
        return _Frame(features, missing_text)
    if any(feature.nullable for feature in features) and not _all_numbers(features):
        return lambda rows: _with_missing(rows, features, missing_text)
    return lambda rows: rows


class _Frame:
    """Makes DataFrames with the columns, and the types of columns, that training had."""

    def __init__(self, features: Sequence[Feature], missing: float | None) -> None:
        import pandas as pd  # noqa: PLC0415 - 40 MB that only these models need

        self._frame = pd.DataFrame
        self._names = pd.Index([feature.name for feature in features])
        self._missing = missing
        self._types = [_column_type(feature) for feature in features]
        self._is_matrix = all(type_ == np.float64 for type_ in self._types)

    def __call__(self, rows: Rows) -> Any:
        if self._is_matrix:
            return self._frame(rows, columns=self._names, copy=False)
        frame = self._frame(
            {i: _column(rows[:, i], type_, self._missing) for i, type_ in enumerate(self._types)}
        )
        frame.columns = self._names
        return frame


def _column_type(feature: Feature) -> type:
    if feature.type == "string":
        return object
    if feature.type == "int64" and not feature.nullable:
        return np.int64
    if feature.type == "bool" and not feature.nullable:
        return np.bool_
    return np.float64  # as pandas itself does for whole numbers of which some are missing


_LARGEST_INT64 = 2.0**63 - 1024
"""The last float before 2**63, to which larger whole numbers are rounded, and which no int64 is."""


def _column(cells: Rows, type_: type, missing: float | None) -> Any:
    if type_ is np.int64 and cells.dtype == np.float64:
        cells = np.minimum(cells, _LARGEST_INT64)
    if type_ is not object:
        return cells.astype(type_)
    if missing is None:
        return cells
    return np.where(cells == None, missing, cells)  # noqa: E711 - of each cell


def _with_missing(rows: Rows, features: Sequence[Feature], missing_text: float | None) -> Rows:
    """A copy of rows of objects in which what is missing is written as training wrote it."""
    rows = rows.copy()
    for i, feature in enumerate(features):
        if feature.nullable:
            missing = missing_text if feature.type == "string" else np.nan
            rows[:, i] = _column(rows[:, i], object, missing)
    return rows


def _all_numbers(features: Sequence[Feature]) -> bool:
    return all(feature.type != "string" for feature in features)


def _missing_text(estimator: Any, features: Sequence[Feature]) -> float | None:
    """
    How training wrote a missing text: NaN, as pandas reads it from files, or None.

    Encoders take the two for different categories.
    """
    if not any(feature.type == "string" and feature.nullable for feature in features):
        return None
    return None if any(_knows_none(part) for part in parts(estimator)) else np.nan


def _knows_none(part: Any) -> bool:
    if getattr(part, "missing_values", np.nan) is None:
        return True
    return any(
        None in column.tolist()
        for column in getattr(part, "categories_", ())
        if isinstance(column, np.ndarray)
    )


def parts(value: Any) -> Iterator[Any]:
    """An estimator and every estimator inside it."""
    from sklearn.base import BaseEstimator  # noqa: PLC0415 - see above

    if isinstance(value, BaseEstimator):
        yield value
        for inside in vars(value).values():
            yield from parts(inside)
    elif isinstance(value, Mapping):
        for inside in value.values():
            yield from parts(inside)
    elif isinstance(value, list | tuple):
        for inside in value:
            yield from parts(inside)


def reads_texts(estimator: Any) -> bool:
    """Whether *estimator* wants a list of texts, not a table."""
    # Imported by whoever made the estimator: the port is open before scikit-learn is there.
    from sklearn.base import BaseEstimator  # noqa: PLC0415
    from sklearn.utils import get_tags  # noqa: PLC0415

    first = estimator
    while kind_of(first) == "pipeline.Pipeline":
        first = first.steps[0][1]
    if not isinstance(first, BaseEstimator):
        return False
    tags = get_tags(first).input_tags
    return bool(tags.string and not tags.two_d_array)
