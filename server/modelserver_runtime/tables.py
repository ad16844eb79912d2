"""Rows in the shapes that the dialects share: lists of objects, lists of lists, named columns."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, islice
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, Strict, TypeAdapter, ValidationError

from modelserver_runtime.artifact import Feature, Signature
from modelserver_runtime.codec import (
    EXPLAINING_TYPES,
    FAST_TYPES,
    MALFORMED,
    MAX_ERRORS_TOLD,
    Codec,
    explained,
    invalid_request,
    optional,
    row_struct,
    summary,
)
from modelserver_runtime.engines import Rows
from modelserver_runtime.errors import InvalidRequest

Where = tuple[int | str, ...]
"""A place in the request, as in FastAPI's `loc`."""

Json = bytes | msgspec.Raw
Column = Sequence[Any] | NDArray[Any]

_FIRST_ROW = re.compile(rb"\s*\[\s*([\[{])").match
_OBJECT = re.compile(rb"\s*\{").match


class Tables:
    """
    Decodes tables, each cell by its column's type, as `Codec` decodes rows.

    Every method takes the JSON and the place where it stands, and raises InvalidRequest.

    Args:
        signature: the columns.
        codec: reads the same columns from flat objects.
    """

    def __init__(self, signature: Signature, codec: Codec) -> None:
        self.features = signature.features
        self.names = signature.names
        self.max_rows = codec.max_rows
        self._position = {name: i for i, name in enumerate(signature.names)}
        self._numeric = all(feature.type != "string" for feature in signature.features)
        self._plain = all(f.type == "float64" and not f.nullable for f in signature.features)
        self._columns = [_ColumnType(feature) for feature in signature.features]
        self._records: Callable[[Json], list[Any]] = msgspec.json.Decoder(
            list[row_struct(signature)]  # type: ignore[misc]
        ).decode
        self._matrix: Callable[[Json], list[list[float]]] = msgspec.json.Decoder(
            list[list[float]]
        ).decode
        self._any_matrix: Callable[[Json], list[list[Any]]] = msgspec.json.Decoder(
            list[list[Any]]
        ).decode
        self._any_columns: Callable[[Json], dict[str, Any]] = msgspec.json.Decoder(
            dict[str, Any]
        ).decode
        row = codec.row_model
        self._explain_records = _strict_list_of(row).validate_python

    def rows_or_records(self, json: Json, where: Where) -> Rows:
        """A list of lists in the signature's order, or a list of flat objects."""
        first = _FIRST_ROW(memoryview(json))
        if first is None:
            raise one_error(where, "rows_type", "Input should be a list of rows, one at least")
        if first[1] == b"{":
            return self.records(json, where)
        return self.matrix(json, self.names, where)

    def records(self, json: Json, where: Where) -> Rows:
        """A list of flat objects."""
        try:
            structs = self._records(json)
        except MALFORMED as error:
            raise explained(self._explain_records, json, error, where) from None
        _require_rows(structs, where)
        cells = chain.from_iterable(map(msgspec.structs.astuple, structs))
        return self._batch(cells, len(structs))

    def matrix(self, json: Json, names: Sequence[str], where: Where) -> Rows:
        """A list of lists; *names* says which columns they have, in their order."""
        order = self._order(names, where)
        if self._plain:
            try:
                plain = self._matrix(json)
            except MALFORMED:
                pass  # below it is said what is wrong
            else:
                _require_width(plain, len(names), where)
                rows = self._batch(chain.from_iterable(plain), len(plain))
                return rows if order is None else rows[:, order]
        try:
            cells = self._any_matrix(json)
        except MALFORMED as error:
            raise InvalidRequest(f"{'.'.join(map(str, where))}: {error}") from None
        _require_width(cells, len(names), where)
        columns = dict(zip(names, zip(*cells, strict=True), strict=True))
        return self.columns(columns, where)

    def columns_json(self, json: Json, where: Where) -> Rows:
        """An object of columns by name; scalars instead of lists are one row."""
        try:
            columns = self._any_columns(json)
        except MALFORMED as error:
            raise InvalidRequest(f"{'.'.join(map(str, where))}: {error}") from None
        if columns and not any(isinstance(column, list) for column in columns.values()):
            columns = {name: [cell] for name, cell in columns.items()}
        return self.columns(columns, where)

    def rows_or_columns(self, json: Json, where: Where) -> Rows:
        """Whatever of the three *json* is."""
        if _OBJECT(memoryview(json)):
            return self.columns_json(json, where)
        return self.rows_or_records(json, where)

    def columns(self, columns: Mapping[str, Any], where: Where) -> Rows:
        """Columns of JSON values by name."""
        self._order(list(columns), where)
        return self.batch_of(
            [column.check(columns[column.name], (*where, column.name)) for column in self._columns],
            where,
        )

    def batch_of(self, columns: Sequence[Column], where: Where) -> Rows:
        """Checked columns in the signature's order, side by side."""
        count = len(columns[0])
        if count == 0:
            raise one_error(where, "too_short", "There should be one row at least")
        for feature, column in zip(self.features, columns, strict=True):
            if len(column) != count:
                raise one_error(
                    (*where, feature.name),
                    "wrong_length",
                    f"{len(column)} values, but {self.features[0].name} has {count}",
                )
        rows: Rows = np.empty((count, len(columns)), dtype=np.float64 if self._numeric else object)
        for i, (feature, column) in enumerate(zip(self.features, columns, strict=True)):
            tensor = isinstance(column, np.ndarray) and not self._numeric
            rows[:, i] = np.array(
                _cells_of(column, feature) if tensor else column, dtype=rows.dtype
            )
        return rows

    def require_names(self, names: Sequence[str], where: Where) -> None:
        """Refuse columns that are missing, unknown or named twice."""
        self._order(names, where)

    def _batch(self, cells: Any, count: int) -> Rows:
        width = len(self.names)
        if self._numeric:
            return np.fromiter(
                _nan_for_none(cells, self._plain), np.float64, count * width
            ).reshape(count, width)
        rows: Rows = np.empty(count * width, dtype=object)
        rows[:] = list(cells)
        return rows.reshape(count, width)

    def _order(self, names: Sequence[str], where: Where) -> list[int] | None:
        """Which of *names* is each column of the signature; None when they are the same."""
        if tuple(names) == self.names:
            return None
        known = {name for name in names if name in self._position}
        unknown = (name for name in names if name not in self._position)
        detail = [
            _error((*where, name), "missing", "Field required")
            for name in self.names
            if name not in known
        ]
        detail += [
            _error((*where, name), "extra_forbidden", "Extra inputs are not permitted")
            for name in dict.fromkeys(islice(unknown, MAX_ERRORS_TOLD))
        ]
        if not detail and len(names) != len(self.names):
            detail = [_error(where, "duplicate_column", "Two columns have one name")]
        if detail:
            raise listed(detail)
        given = {name: i for i, name in enumerate(names)}
        return [given[name] for name in self.names]


class _ColumnType:
    """Checks the values of one column."""

    def __init__(self, feature: Feature) -> None:
        self.name = feature.name
        self._fast = list[optional(FAST_TYPES[feature.type], feature)]  # type: ignore[misc]
        slow = optional(EXPLAINING_TYPES[feature.type], feature)
        self._slow = _strict_list_of(slow)

    def check(self, values: Any, where: Where) -> list[Any]:
        """
        The values, each of the column's type.

        Raises:
            InvalidRequest: says which is not.
        """
        try:
            checked: list[Any] = msgspec.convert(values, self._fast)
        except (msgspec.MsgspecError, RecursionError) as error:
            return self._explained(values, where, error)
        return checked

    def _explained(self, values: Any, where: Where, refusal: Exception) -> list[Any]:
        try:
            self._slow.validate_python(list(values) if isinstance(values, tuple) else values)
        except ValidationError as error:
            raise invalid_request(error, where) from None
        raise InvalidRequest(f"{'.'.join(map(str, where))}: {refusal}")


def _strict_list_of(item: Any) -> TypeAdapter[Any]:
    type_: Any = Annotated[list[item], Strict(), Field(fail_fast=True)]
    return TypeAdapter(type_)


_CELL_TYPES: Mapping[str, Callable[[Any], Any]] = {"float64": float, "int64": int, "bool": bool}


def _cells_of(column: Any, feature: Feature) -> list[Any]:
    """A tensor's values as they would have come as JSON: NaN is a value that is missing."""
    if feature.type == "string":
        return list(column)
    cell_type = _CELL_TYPES[feature.type]
    return [
        None if cell is None or cell != cell else cell_type(cell)  # noqa: PLR0124
        for cell in column.tolist()
    ]


def _nan_for_none(cells: Any, never_none: bool) -> Any:  # noqa: FBT001 - one caller
    return cells if never_none else (np.nan if cell is None else cell for cell in cells)


def _require_rows(rows: Sequence[Any], where: Where) -> None:
    if not rows:
        raise one_error(where, "too_short", "There should be one row at least")


def _require_width(rows: Sequence[Sequence[Any]], width: int, where: Where) -> None:
    _require_rows(rows, where)
    if set(map(len, rows)) == {width}:
        return
    row = next(i for i, cells in enumerate(rows) if len(cells) != width)
    raise one_error(
        (*where, row), "wrong_length", f"{len(rows[row])} values, but there are {width} columns"
    )


def one_error(where: Where, kind: str, message: str) -> InvalidRequest:
    """The refusal of one thing at *where*, with FastAPI's list of one."""
    return listed([_error(where, kind, message)])


def listed(detail: Sequence[dict[str, Any]]) -> InvalidRequest:
    """The refusal with all of *detail*; the sentence tells the first."""
    return InvalidRequest(summary(detail, len(detail)), detail[:MAX_ERRORS_TOLD])


def _error(where: Where, kind: str, message: str) -> dict[str, Any]:
    loc = [part[:256] if isinstance(part, str) else part for part in where]
    return {"type": kind, "loc": loc, "msg": message}
