"""
Tensors of the Open Inference Protocol: datatypes, JSON data and binary data.

Source: Open Inference Protocol V2, "Tensor Data" and "Tensor Data Types"; the binary tensor data
extension.
"""

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.codec import MALFORMED
from modelserver_runtime.tables import Where, one_error

Values = NDArray[Any]
"""One tensor: numbers or truth values by their own dtype, or objects: strings, missing values."""

BYTES = "BYTES"
_LENGTH_BYTES = 4
_MAX_DIMENSIONS = 2
_NESTED = re.compile(rb"\s*\[\s*\[").match


@dataclass(frozen=True)
class Datatype:
    """
    One of the protocol's types.

    Args:
        dtype: NumPy's, little-endian as on the wire; None for BYTES.
        json: what a JSON element is; None for a type that has no JSON form.
    """

    dtype: np.dtype[Any] | None
    json: Any


DATATYPES: Mapping[str, Datatype] = {
    "BOOL": Datatype(np.dtype("?"), bool),
    **{f"UINT{bits}": Datatype(np.dtype(f"<u{bits // 8}"), int) for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": Datatype(np.dtype(f"<i{bits // 8}"), int) for bits in (8, 16, 32, 64)},
    "FP16": Datatype(np.dtype("<f2"), None),  # JSON has no such numbers, says the protocol
    "FP32": Datatype(np.dtype("<f4"), float),
    "FP64": Datatype(np.dtype("<f8"), float),
    BYTES: Datatype(None, str),
}

_FLAT: Mapping[Any, Callable[[Any], list[Any]]] = {
    kind: msgspec.json.Decoder(list[kind | None]).decode  # type: ignore[valid-type]
    for kind in (bool, int, float, str)
}
_ROWS: Mapping[Any, Callable[[Any], list[list[Any]]]] = {
    kind: msgspec.json.Decoder(list[list[kind | None]]).decode  # type: ignore[valid-type]
    for kind in (bool, int, float, str)
}


def datatype_of(name: str, where: Where) -> Datatype:
    """
    The datatype called *name*.

    Raises:
        InvalidRequest: there is none.
    """
    datatype = DATATYPES.get(name)
    if datatype is None:
        raise one_error((*where, "datatype"), "enum", f"Should be one of {', '.join(DATATYPES)}")
    return datatype


def kind_of(name: str) -> str:
    """NumPy's letter for what the datatype called *name* holds; O for strings."""
    dtype = DATATYPES[name].dtype
    return "O" if dtype is None else dtype.kind


def elements(shape: Sequence[int], where: Where) -> int:
    """
    How many elements a tensor of *shape* has.

    Raises:
        InvalidRequest: no shape of rows.
    """
    if not 1 <= len(shape) <= _MAX_DIMENSIONS or any(size < 1 for size in shape):
        raise one_error(
            (*where, "shape"), "shape", "Should be [rows] or [rows, columns], one row at least"
        )
    return shape[0] * (shape[1] if len(shape) == _MAX_DIMENSIONS else 1)


def from_json(data: Any, name: str, shape: Sequence[int], where: Where) -> Values:
    """
    The tensor out of its JSON data, row-major or nested.

    Null is NaN in a tensor of floats and None in any other: whether it may be missing is the
    column's affair.

    Raises:
        InvalidRequest: elements of another type, or not as many as the shape says.
    """
    datatype = datatype_of(name, where)
    if datatype.json is None:
        raise one_error(
            (*where, "datatype"), "binary_only", f"{name} can be sent as binary data only"
        )
    cells = _cells(data, datatype.json, shape, where)
    count = elements(shape, where)
    if len(cells) != count:
        raise one_error(
            (*where, "data"), "wrong_length", f"{len(cells)} elements, but the shape has {count}"
        )
    return from_cells(cells, name, where).reshape(shape)


def _cells(data: Any, kind: Any, shape: Sequence[int], where: Where) -> list[Any]:
    try:
        if _NESTED(memoryview(data)) is None:
            return _FLAT[kind](data)
        rows = _ROWS[kind](data)
    except MALFORMED as error:
        raise one_error((*where, "data"), "type", str(error)) from None
    width = shape[1] if len(shape) == _MAX_DIMENSIONS else None
    if any(len(row) != width for row in rows):
        raise one_error((*where, "data"), "shape", f"Is not nested as the shape {[*shape]} says")
    return list(chain.from_iterable(rows))


def from_cells(cells: list[Any], name: str, where: Where) -> Values:
    """
    JSON values as an array of the datatype called *name*.

    Missing floats are NaN; with other values missing it is one of objects, None among them: a
    float has no place for every whole number.

    Raises:
        InvalidRequest: a number that the datatype does not hold.
    """
    dtype = DATATYPES[name].dtype
    try:
        if dtype is not None and dtype.kind == "f":
            # What FP32 cannot hold becomes infinite here, and is refused as such later.
            with np.errstate(over="ignore"):
                return np.array(cells, dtype=np.float64).astype(dtype, copy=False)
        if dtype is not None and None not in cells:
            return np.array(cells, dtype=dtype)
        if dtype is not None:
            np.array([cell for cell in cells if cell is not None], dtype=dtype)
    except OverflowError:
        raise one_error((*where, "data"), "range", f"An element is no {name}") from None
    objects = np.empty(len(cells), dtype=object)
    objects[:] = cells
    return objects


def from_binary(data: memoryview, name: str, shape: Sequence[int], where: Where) -> Values:
    """
    The tensor out of its binary data: little-endian, row-major; strings after their lengths.

    Raises:
        InvalidRequest: not as many bytes as the shape says, or no UTF-8.
    """
    dtype = datatype_of(name, where).dtype
    count = elements(shape, where)
    if dtype is None:
        return _strings(data, count, where).reshape(shape)
    if len(data) != count * dtype.itemsize:
        raise one_error(
            where,
            "wrong_length",
            f"{len(data)} bytes, but the shape has {count} elements of {dtype.itemsize}",
        )
    if dtype.kind == "b":
        flags = np.frombuffer(data, dtype=np.uint8)
        if flags.size and flags.max() > 1:
            raise one_error(where, "range", "A byte of a BOOL tensor should be 0 or 1")
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _strings(data: memoryview, count: int, where: Where) -> Values:
    strings = np.empty(count, dtype=object)
    position = found = 0
    while position + _LENGTH_BYTES <= len(data) and found < count:
        (length,) = struct.unpack_from("<I", data, position)
        position += _LENGTH_BYTES
        if position + length > len(data):
            break
        try:
            strings[found] = str(data[position : position + length], "utf-8")
        except UnicodeDecodeError:
            raise one_error(where, "string_unicode", f"Element {found} is not UTF-8") from None
        position += length
        found += 1
    if found != count or position != len(data):
        raise one_error(
            where, "wrong_length", f"The bytes are not {count} strings after their lengths"
        )
    return strings


def datatype_name(values: Values) -> str:
    """The protocol's name for what *values* are."""
    return {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64"}.get(values.dtype.kind, BYTES)


def to_json(values: Values) -> Any:
    """The elements, row-major, as orjson takes them."""
    if values.dtype.kind in "iufb":
        return np.ascontiguousarray(values).reshape(-1)
    return [str(value) for value in values.reshape(-1).tolist()]


def to_binary(values: Values) -> bytes:
    """The elements, row-major, as the extension wants them."""
    if values.dtype.kind == "b":
        return values.tobytes()
    if values.dtype.kind in "iu":
        return values.astype("<i8").tobytes()
    if values.dtype.kind == "f":
        return values.astype("<f8").tobytes()
    strings = [str(value).encode() for value in values.reshape(-1).tolist()]
    return b"".join(struct.pack("<I", len(string)) + string for string in strings)
