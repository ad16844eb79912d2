"""
The Open Inference Protocol V2 over REST: tensors in, tensors out.

Inputs are one [rows, features] tensor of any name, or a tensor [rows] or [rows, 1] for each
feature by its name.

Source: Open Inference Protocol V2, "Inference Request JSON Object" and "Inference Response JSON
Object"; the binary tensor data extension.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import orjson
from msgspec import UNSET, Raw, UnsetType
from pydantic import BaseModel, ConfigDict, Field, Strict

from modelserver_runtime.artifact import Feature, Manifest
from modelserver_runtime.codec import MALFORMED, explained
from modelserver_runtime.dialects import tensors
from modelserver_runtime.dialects.tensors import Values
from modelserver_runtime.engines import Outcome, Rows
from modelserver_runtime.errors import InvalidRequest
from modelserver_runtime.tables import Tables, Where, one_error

PREDICT = "predict"
PREDICT_PROBA = "predict_proba"
BINARY_EXTENSION = "binary_tensor_data"

_DATATYPE_OF_COLUMN = {"float64": "FP64", "int64": "INT64", "bool": "BOOL", "string": "BYTES"}
_MATRIX_DIMENSIONS = 2
_EXACT_INTEGERS = 2.0**53


class _Tensor(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    shape: list[int]
    datatype: str
    data: Raw | UnsetType = UNSET
    parameters: dict[str, Any] | None = None


class _FlatTensor(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The commonest tensor: numbers, row-major. Decoding them at once saves a pass."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]
    parameters: dict[str, Any] | None = None


class _Output(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    parameters: dict[str, Any] | None = None


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    outputs: list[_Output] | None = None
    id: str | None = None
    parameters: dict[str, Any] | None = None
    model_name: str | None = None  # KServe's own client sends both
    model_version: str | None = None


class _Request(_Envelope, forbid_unknown_fields=True, gc=False, kw_only=True):
    inputs: Annotated[list[_Tensor], msgspec.Meta(min_length=1)]


class _FlatRequest(_Envelope, forbid_unknown_fields=True, gc=False, kw_only=True):
    inputs: Annotated[list[_FlatTensor], msgspec.Meta(min_length=1)]


class V2Tensor(BaseModel):
    """One input."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Strict()]
    shape: Annotated[list[Annotated[int, Strict()]], Field(min_length=1, max_length=2)]
    datatype: Annotated[str, Strict(), Field(json_schema_extra={"enum": [*tensors.DATATYPES]})]
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class V2Output(BaseModel):
    """One output that is wanted: `predict` or `predict_proba`."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Strict()]
    parameters: dict[str, Any] | None = None


class V2Request(BaseModel):
    """One [rows, features] tensor of any name, or one tensor for each feature by its name."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    inputs: Annotated[list[V2Tensor], Field(min_length=1, fail_fast=True)]
    outputs: Annotated[list[V2Output], Field(fail_fast=True)] | None = None
    id: Annotated[str, Strict()] | None = None
    parameters: dict[str, Any] | None = None
    model_name: Annotated[str, Strict()] | None = None
    model_version: Annotated[str, Strict()] | None = None


@dataclass(frozen=True, slots=True)
class Inference:
    """
    A request that was understood.

    Args:
        rows: the batch.
        outputs: what is wanted, each with whether as binary data.
        id, parameters: echoed.
        model: name and version that the body itself asks for.
    """

    rows: Rows
    outputs: tuple[tuple[str, bool], ...]
    id: str | None
    parameters: dict[str, Any] | None
    model: tuple[str | None, str | None]

    @property
    def is_binary(self) -> bool:
        """Whether any output is wanted as binary data."""
        return any(binary for _, binary in self.outputs)


@dataclass(frozen=True, slots=True)
class InferenceAnswer:
    """
    A body, and how long its JSON part is.

    Args:
        header_length: bytes of JSON before the binary data; None where all is JSON.
    """

    body: bytes
    header_length: int | None


class OpenInferenceCodec:
    """
    Decodes inference requests for one model, and encodes its answers.

    Args:
        manifest: the model's.
        name: it is served under.
        tables: its columns.
        max_rows: of one request.
    """

    def __init__(self, manifest: Manifest, name: str, tables: Tables, max_rows: int) -> None:
        self._name = name
        self._version = manifest.version
        self._tables = tables
        self._features = manifest.signature.features
        self._max_rows = max_rows
        self._plain = all(f.type == "float64" and not f.nullable for f in self._features)
        self._flat: Callable[[bytes], _FlatRequest] = msgspec.json.Decoder(_FlatRequest).decode
        self._any: Callable[[bytes], _Request] = msgspec.json.Decoder(_Request).decode

    def decode(self, body: bytes, header_length: int | None) -> Inference:
        """
        Understand a request.

        Args:
            body: JSON, and binary data behind it.
            header_length: bytes of JSON; None where all is JSON.

        Raises:
            InvalidRequest: with the place that is wrong.
        """
        if header_length is None:
            inference = self._decode_flat(body) if self._plain else None
            if inference is not None:
                return inference
            return self._decode_any(body, memoryview(b""))
        if header_length > len(body):
            raise InvalidRequest(
                f"Inference-Header-Content-Length is {header_length}, but the body has "
                f"{len(body)} bytes"
            )
        return self._decode_any(body[:header_length], memoryview(body)[header_length:])

    def encode(self, inference: Inference, outcome: Outcome) -> InferenceAnswer:
        """
        The answer to *inference*.

        Raises:
            InvalidRequest: probabilities are wanted of a model that has none, or the parameters
                cannot be sent back.
        """
        outputs: list[dict[str, Any]] = []
        parts: list[bytes] = []
        for name, binary in inference.outputs:
            values = _output(name, outcome)
            output: dict[str, Any] = {
                "name": name,
                "datatype": tensors.datatype_name(values),
                "shape": list(values.shape),
            }
            if binary:
                parts.append(tensors.to_binary(values))
                output["parameters"] = {"binary_data_size": len(parts[-1])}
            else:
                output["data"] = tensors.to_json(values)
            outputs.append(output)
        head = self._head(inference, outputs)
        try:
            header = orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)
        except orjson.JSONEncodeError:
            raise one_error(
                ("body", "parameters"), "json", "Should be of 64-bit numbers, and not so deep"
            ) from None
        if not inference.is_binary:
            return InferenceAnswer(header, None)
        return InferenceAnswer(b"".join((header, *parts)), len(header))

    def _head(self, inference: Inference, outputs: list[dict[str, Any]]) -> dict[str, Any]:
        head: dict[str, Any] = {"model_name": self._name, "model_version": self._version}
        if inference.id is not None:
            head["id"] = inference.id
        if inference.parameters is not None:
            head["parameters"] = inference.parameters
        return head | {"outputs": outputs}

    def _decode_flat(self, body: bytes) -> Inference | None:
        """The request where it is one tensor of floats, row-major; else None."""
        try:
            request = self._flat(body)
        except MALFORMED:
            return None
        tensor = request.inputs[0]
        if len(request.inputs) != 1 or tensor.datatype != "FP64":
            return None
        rows, rest = divmod(len(tensor.data), len(self._features))
        if rest or not rows or tensor.shape != [rows, len(self._features)]:
            return None  # the other way says what is wrong
        self._require_size(tensor.shape, ("body", "inputs", 0))
        matrix = np.fromiter(tensor.data, np.float64, len(tensor.data)).reshape(tensor.shape)
        return self._inference(request, matrix)

    def _decode_any(self, body: bytes, binary: memoryview) -> Inference:
        try:
            request = self._any(body)
        except MALFORMED as error:
            raise explained(V2Request.model_validate, body, error) from None
        values = [
            self._values(tensor, at, binary)
            for at, tensor in zip(_places(request.inputs, len(binary)), request.inputs, strict=True)
        ]
        return self._inference(request, self._rows(request.inputs, values))

    def _values(self, tensor: _Tensor, at: "_Place", binary: memoryview) -> Values:
        self._require_size(tensor.shape, at.where)
        if at.bytes is not None:
            return tensors.from_binary(binary[at.bytes], tensor.datatype, tensor.shape, at.where)
        if isinstance(tensor.data, UnsetType):
            raise one_error((*at.where, "data"), "missing", "Field required")
        return tensors.from_json(tensor.data, tensor.datatype, tensor.shape, at.where)

    def _require_size(self, shape: Sequence[int], where: Where) -> None:
        if shape and shape[0] > self._max_rows:
            raise one_error(
                (*where, "shape"), "too_long", f"There should be {self._max_rows} rows at most"
            )

    def _rows(self, inputs: Sequence[_Tensor], values: Sequence[Values]) -> Rows:
        width = len(self._features)
        if len(inputs) == 1 and (width == 1 or values[0].ndim == _MATRIX_DIMENSIONS):
            return self._matrix(inputs[0], values[0])
        where: Where = ("body", "inputs")
        names = [tensor.name for tensor in inputs]
        self._tables.require_names(names, where)
        place = {name: i for i, name in enumerate(names)}
        columns = [
            self._column(
                _single(values[place[feature.name]], (*where, place[feature.name])),
                inputs[place[feature.name]].datatype,
                feature,
                (*where, place[feature.name]),
            )
            for feature in self._features
        ]
        return self._tables.batch_of(columns, where)

    def _matrix(self, tensor: _Tensor, values: Values) -> Rows:
        where: Where = ("body", "inputs", 0)
        width = len(self._features)
        matrix = values if values.ndim == _MATRIX_DIMENSIONS else values.reshape(-1, 1)
        if matrix.shape[1] != width:
            raise one_error(
                (*where, "shape"), "shape", f"{matrix.shape[1]} columns, but the model has {width}"
            )
        if self._plain and matrix.dtype.kind in "iuf":
            rows = matrix.astype(np.float64)
            if not np.isfinite(rows).all():
                raise one_error((*where, "data"), "finite_number", "Should be finite numbers")
            return rows
        columns = [
            self._column(matrix[:, i], tensor.datatype, feature, where)
            for i, feature in enumerate(self._features)
        ]
        return self._tables.batch_of(columns, where)

    @staticmethod
    def _column(values: Values, datatype: str, feature: Feature, where: Where) -> Values:
        """The values of one column, if they are what its type in the signature allows."""
        kind = tensors.kind_of(datatype)
        if kind not in _KINDS[feature.type]:
            raise one_error(
                (*where, "datatype"),
                "datatype",
                f"{datatype} does not fit {feature.name}, which is "
                f"{_DATATYPE_OF_COLUMN[feature.type]}; mixed types go one tensor a feature",
            )
        if kind == "O":
            if not feature.nullable and any(value is None for value in values):
                raise one_error((*where, "data"), "string_type", f"{feature.name} is missing")
            return values
        return _number_column(values, feature, where)

    def _inference(self, request: _Envelope, rows: Rows) -> Inference:
        return Inference(
            rows,
            _wanted(request),
            request.id,
            request.parameters,
            (request.model_name, request.model_version),
        )


_KINDS = {"float64": "fiu", "int64": "iuf", "bool": "b", "string": "O"}
"""The kinds of tensors that a column's type allows."""


def _number_column(values: Values, feature: Feature, where: Where) -> Values:
    if values.dtype.kind == "O":
        return _some_missing(values, feature, where)
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        if missing.any() and not feature.nullable:
            raise one_error((*where, "data"), "finite_number", f"{feature.name} is missing or NaN")
        if np.isinf(values).any():
            raise one_error((*where, "data"), "finite_number", f"{feature.name} is infinite")
        if feature.type == "int64":
            whole = values[~missing]
            if (whole != np.floor(whole)).any() or (np.abs(whole) > _EXACT_INTEGERS).any():
                raise one_error(
                    (*where, "data"), "int_type", f"{feature.name} has no whole numbers"
                )
    elif feature.type == "int64" and values.dtype.kind == "u" and values.max() >= 2**63:
        raise _beyond_64_bits(feature, where)
    return values


def _some_missing(values: Values, feature: Feature, where: Where) -> Values:
    """Whole numbers or truth values, of which some may be None."""
    present = [value for value in values if value is not None]
    if len(present) < len(values) and not feature.nullable:
        raise one_error((*where, "data"), "finite_number", f"{feature.name} is missing or NaN")
    if feature.type == "int64" and any(value >= 2**63 for value in present):
        raise _beyond_64_bits(feature, where)
    return values


def _beyond_64_bits(feature: Feature, where: Where) -> InvalidRequest:
    return one_error((*where, "data"), "range", f"{feature.name} goes beyond 64 bits")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor stands in the request, and its bytes in the binary data."""

    where: Where
    bytes: slice | None


def _places(inputs: Sequence[_Tensor], binary_bytes: int) -> list[_Place]:
    places = []
    position = 0
    for i, tensor in enumerate(inputs):
        where: Where = ("body", "inputs", i)
        size = (tensor.parameters or {}).get("binary_data_size")
        if size is None:
            places.append(_Place(where, None))
            continue
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise one_error(
                (*where, "parameters", "binary_data_size"), "int_type", "Should be a whole number"
            )
        if tensor.data is not UNSET:
            raise one_error((*where, "data"), "binary", "The tensor is sent as binary data already")
        places.append(_Place(where, slice(position, position + size)))
        position += size
    if position != binary_bytes:
        raise InvalidRequest(
            f"the tensors have {position} bytes of binary data, but {binary_bytes} follow the JSON"
        )
    return places


def _single(values: Values, where: Where) -> Values:
    if values.ndim == _MATRIX_DIMENSIONS and values.shape[1] != 1:
        raise one_error((*where, "shape"), "shape", "Should be [rows] or [rows, 1]")
    return values.reshape(-1)


def _wanted(request: _Envelope) -> tuple[tuple[str, bool], ...]:
    all_binary = (request.parameters or {}).get("binary_data_output") is True
    if not request.outputs:
        return ((PREDICT, all_binary),)
    names = [output.name for output in request.outputs]
    for i, name in enumerate(names):
        if name not in (PREDICT, PREDICT_PROBA) or name in names[:i]:
            raise one_error(
                ("body", "outputs", i, "name"),
                "output",
                f"Should be {PREDICT} or {PREDICT_PROBA}, each once",
            )
    return tuple(
        (output.name, (output.parameters or {}).get("binary_data", all_binary) is True)
        for output in request.outputs
    )


def _output(name: str, outcome: Outcome) -> Values:
    if name == PREDICT:
        return outcome.predictions
    if outcome.probabilities is None:
        raise one_error(("body", "outputs"), "output", "This model has no probabilities")
    return outcome.probabilities


def tensor_metadata(manifest: Manifest) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Inputs and outputs as the protocol describes them; -1 is any number of rows."""
    inputs = [
        {"name": f.name, "datatype": _DATATYPE_OF_COLUMN[f.type], "shape": [-1]}
        for f in manifest.signature.features
    ]
    outputs = [
        {
            "name": name,
            "datatype": _DATATYPE_OF_COLUMN[output.type],
            "shape": [-1, *output.shape],
        }
        for name, output in zip((PREDICT, PREDICT_PROBA), manifest.signature.outputs, strict=False)
    ]
    return inputs, outputs
