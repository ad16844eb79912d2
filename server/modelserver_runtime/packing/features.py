"""What a feature is, seen from the values that it had in training."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.artifact import Feature
from modelserver_runtime.errors import NotPackable

MAX_CATEGORIES = 1000

ColumnType = Literal["float64", "int64", "bool", "string"]


def feature_of(name: str, column: NDArray[Any]) -> Feature:
    """
    The feature that *column* shows.

    Raises:
        NotPackable: its values are of a type no request can have.
    """
    missing = is_missing(column)
    present = column[~missing]
    type_ = _column_type(name, column, present)
    nullable = bool(missing.any())
    if type_ == "string":
        seen = sorted(set(map(str, present)))
        # Texts are no categories.
        few = len(seen) <= min(MAX_CATEGORIES, max(2, len(column) // 2))
        return Feature(
            name=name, type=type_, nullable=nullable, categories=tuple(seen) if few else None
        )
    return Feature(
        name=name,
        type=type_,
        nullable=nullable,
        minimum=float(present.min()) if len(present) else None,
        maximum=float(present.max()) if len(present) else None,
    )


def is_missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Which cells of *column* hold nothing."""
    if column.dtype.kind == "f":
        nan: NDArray[np.bool_] = np.isnan(column)
        return nan
    if column.dtype.kind != "O":
        return np.zeros(len(column), np.bool_)
    # pandas has several things that mean missing; none of them equals itself.
    return np.array([cell is None or not _equals_itself(cell) for cell in column], np.bool_)


def _equals_itself(cell: Any) -> bool:
    try:
        return bool(cell == cell)  # noqa: PLR0124 - NaN does not
    except TypeError:  # pandas.NA refuses to be a truth value
        return False


def _column_type(name: str, column: NDArray[Any], present: NDArray[Any]) -> ColumnType:
    kind = column.dtype.kind
    if kind == "O":
        kinds = {type(cell) for cell in present}
        if kinds <= {str, np.str_}:
            return "string"
        kind = np.array(present.tolist()).dtype.kind if str not in kinds else kind
    type_ = type_of_kind(kind)
    if type_ is None:
        raise NotPackable(f"column {name} holds {column.dtype}, which no JSON value is")
    return type_


def type_of_kind(kind: str) -> ColumnType | None:
    """The type that values of NumPy's dtype *kind* have in JSON; None where there is none."""
    return next((type_ for letters, type_ in _TYPES_OF_KINDS if kind in letters), None)


_TYPES_OF_KINDS: tuple[tuple[str, ColumnType], ...] = (
    ("f", "float64"),
    ("iu", "int64"),
    ("b", "bool"),
    ("U", "string"),
)
