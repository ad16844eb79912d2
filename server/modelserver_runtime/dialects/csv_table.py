"""CSV as `DataFrame.to_csv` writes it, each cell read by its column's type."""

import csv
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

import msgspec

from modelserver_runtime.artifact import Feature
from modelserver_runtime.codec import MALFORMED
from modelserver_runtime.engines import Rows
from modelserver_runtime.errors import InvalidRequest
from modelserver_runtime.tables import Tables, Where, one_error

_WHERE: Where = ("body",)
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII).fullmatch
_INTEGER = re.compile(r"\s*[+-]?\d{1,20}\s*", re.ASCII).fullmatch
_BOOLS = {"true": True, "false": False}
_MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>"})
"""What stands for no value, where a column may have none; the commonest of pandas' own words."""

_INT64 = 2**63
_numbers = msgspec.json.Decoder(list[float]).decode


def decode_csv(tables: Tables, body: bytes) -> Rows:
    """
    The rows below a line of column names.

    A first column without a name is the index that pandas writes, and is left out.

    Raises:
        InvalidRequest: with the line and the column that cannot be read.
    """
    lines = _lines(body)
    header = next(lines, None)
    if header is None:
        raise one_error(_WHERE, "missing", "The first line should name the columns")
    indexed = header[0] == ""
    names = header[indexed:]
    tables.require_names(names, _WHERE)
    cells = list(zip(*_rows(lines, len(header), tables.max_rows), strict=True))
    if not cells:
        raise one_error(_WHERE, "too_short", "There should be one row at least")
    columns = dict(zip(names, cells[indexed:], strict=True))
    return tables.batch_of(
        [_column(columns[feature.name], feature) for feature in tables.features], _WHERE
    )


def _lines(body: bytes) -> Iterator[list[str]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not UTF-8") from None
    try:
        yield from filter(None, csv.reader(StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise InvalidRequest(f"the body is not CSV: {error}") from None


def _rows(lines: Iterator[list[str]], width: int, most: int) -> Iterator[list[str]]:
    """Refuse the first line that is wrong, or one too many: lines cost fifty times their bytes."""
    for number, line in enumerate(lines):
        if number == most:
            raise one_error(_WHERE, "too_long", f"There should be {most} rows at most")
        if len(line) != width:
            raise one_error(
                (*_WHERE, number),
                "wrong_length",
                f"{len(line)} values, but there are {width} columns",
            )
        yield line


def _column(cells: Sequence[str], feature: Feature) -> list[Any]:
    if feature.type == "float64":
        numbers = _as_json(cells)
        if numbers is not None:
            return numbers
    return [_cell(cell, row, feature) for row, cell in enumerate(cells)]


def _as_json(cells: Sequence[str]) -> list[float] | None:
    """All cells at once, where they are numbers as JSON writes them."""
    try:
        numbers = _numbers(f"[{','.join(cells)}]".encode())
    except (*MALFORMED, UnicodeEncodeError):
        return None
    return numbers if len(numbers) == len(cells) else None  # a quoted cell may hold commas


def _cell(cell: str, row: int, feature: Feature) -> Any:
    if feature.type == "string":  # blanks are text
        return None if feature.nullable and cell in _MISSING else cell
    if feature.nullable and cell.strip() in _MISSING:
        return None
    value = _PARSERS[feature.type](cell)
    if value is None:
        raise one_error(
            (*_WHERE, row, feature.name),
            f"{feature.type}_parsing",
            f"The cell should be a valid {_NAMES[feature.type]}",
        )
    return value


def _float(cell: str) -> float | None:
    if _NUMBER(cell) is None:
        return None
    value = float(cell if _INTEGER(cell) is None else int(cell))  # -0 is 0, as in JSON
    return None if value in (float("inf"), float("-inf")) else value


def _int(cell: str) -> int | None:
    if _INTEGER(cell) is None:
        return None
    value = int(cell)
    return value if -_INT64 <= value < _INT64 else None


def _bool(cell: str) -> bool | None:
    return _BOOLS.get(cell.strip().lower())


_PARSERS = {"float64": _float, "int64": _int, "bool": _bool}
_NAMES = {"float64": "finite number", "int64": "64-bit integer", "bool": "true or false"}
