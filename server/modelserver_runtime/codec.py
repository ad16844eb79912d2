"""JSON in and out: rows by the signature's columns, answers by column."""

import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Annotated, Any

import msgspec
import numpy as np
import orjson
from msgspec.structs import astuple
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, create_model
from pydantic_core import from_json

from modelserver_runtime.artifact import Feature, Signature
from modelserver_runtime.clock import timestamp
from modelserver_runtime.engines import Outcome, Rows
from modelserver_runtime.errors import InvalidRequest

MAX_ERRORS_TOLD = 100
MAX_MESSAGE = 1024
MAX_EXPLAINED_BYTES = 256 * 1024
"""Of more, one error is told: a list of all, which pydantic makes, may take 100 times the bytes."""

_INT64 = 2**63

MALFORMED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What msgspec raises for bytes that are not what they should be."""

FAST_TYPES: Mapping[str, Any] = {
    "float64": float,
    "int64": Annotated[int, msgspec.Meta(ge=-_INT64, le=_INT64 - 1)],
    "bool": bool,
    "string": str,
}
EXPLAINING_TYPES: Mapping[str, Any] = {
    "float64": Annotated[float, Strict(), Field(allow_inf_nan=False)],
    "int64": Annotated[int, Strict(), Field(ge=-_INT64, le=_INT64 - 1)],
    "bool": Annotated[bool, Strict()],
    "string": Annotated[str, Strict()],
}


class Codec:
    """
    Decodes request bodies into batches and says, when it cannot, what is wrong and where.

    Two decoders know the signature: msgspec's is fast and stops at the first error with few
    words; pydantic's runs only after the first has refused, and makes the list of errors. They
    agree on what is valid.
    """

    def __init__(self, signature: Signature, *, max_rows: int) -> None:
        self.max_rows = max_rows
        self.row_model = _row_model(signature)
        self.batch_model = _batch_model(self.row_model, max_rows)
        row = row_struct(signature)
        batch = msgspec.defstruct(
            "Batch",
            [("records", Annotated[list[row], msgspec.Meta(min_length=1, max_length=max_rows)])],  # type: ignore[valid-type]
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decode_row = msgspec.json.Decoder(row).decode
        self._decode_batch: Callable[[bytes], Any] = msgspec.json.Decoder(batch).decode
        self._width = len(signature.features)
        has_only_numbers = signature.is_numeric and not any(f.nullable for f in signature.features)
        self._pack = struct.Struct(f"{self._width}d").pack if has_only_numbers else None
        self._dtype: type = np.float64 if signature.is_numeric else object

    def decode_row(self, body: bytes) -> Rows:
        """
        One flat object as a batch of one row.

        Raises:
            InvalidRequest: with the list of everything that is wrong.
        """
        try:
            row = self._decode_row(body)
        except MALFORMED as error:
            raise explained(self.row_model.model_validate, body, error) from None
        return self._rows((row,))

    def decode_batch(self, body: bytes) -> Rows:
        """
        `{"records": [...]}` as a batch.

        Raises:
            InvalidRequest: with the list of what is wrong in the first row that does not fit.
        """
        try:
            batch = self._decode_batch(body)
        except MALFORMED as error:
            raise explained(self.batch_model.model_validate, body, error) from None
        return self._rows(batch.records)

    def _rows(self, records: Sequence[msgspec.Struct]) -> Rows:
        pack = self._pack
        if pack is None:
            return np.array([astuple(row) for row in records], dtype=self._dtype)
        # A third of the time of an array made of tuples.
        packed = bytearray().join([pack(*astuple(row)) for row in records])
        return np.frombuffer(packed).reshape(len(records), self._width)


def encode_one(outcome: Outcome) -> bytes:
    """The answer of /predict for a batch of one row."""
    probabilities, confidence = outcome.probabilities, outcome.confidence
    return orjson.dumps(
        {
            "prediction": outcome.predictions[:1].tolist()[0],
            "probability": None if probabilities is None else probabilities[0].tolist(),
            "confidence": None if confidence is None else confidence[0].tolist(),
            "timestamp": timestamp(),
        }
    )


def encode_batch(outcome: Outcome) -> bytes:
    """The answer of /batch-predict."""
    values = _column_values(outcome)
    return orjson.dumps({"predictions": values, "count": len(values), "timestamp": timestamp()})


def _column_values(outcome: Outcome) -> list[dict[str, Any]]:
    rows = zip(
        outcome.predictions.tolist(),
        repeat(None) if outcome.probabilities is None else outcome.probabilities.tolist(),
        repeat(None) if outcome.confidence is None else outcome.confidence.tolist(),
        strict=False,
    )
    return [{"prediction": p, "probability": q, "confidence": c} for p, q, c in rows]


def row_struct(signature: Signature) -> type[msgspec.Struct]:
    """One flat object with every feature, as msgspec reads it."""
    # Feature names need be no Python names: fields are numbered and renamed on the wire.
    fields: list[tuple[str, Any]] = [
        (f"f{i}", optional(FAST_TYPES[feature.type], feature))
        for i, feature in enumerate(signature.features)
    ]
    rename = {f"f{i}": name for i, name in enumerate(signature.names)}
    return msgspec.defstruct("Row", fields, rename=rename, forbid_unknown_fields=True, gc=False)


def _row_model(signature: Signature) -> type[BaseModel]:
    fields: dict[str, Any] = {
        f"f{i}": (
            optional(EXPLAINING_TYPES[feature.type], feature),
            Field(alias=feature.name, title=feature.title, description=_range(feature)),
        )
        for i, feature in enumerate(signature.features)
    }
    config = ConfigDict(extra="forbid", populate_by_name=False, validate_by_name=False)
    return create_model("Features", __config__=config, **fields)


def _batch_model(row: type[BaseModel], max_rows: int) -> type[BaseModel]:
    limits = Field(min_length=1, max_length=max_rows, fail_fast=True)
    records = Annotated[list[row], Strict(), limits]  # type: ignore[valid-type]
    return create_model("Batch", __config__=ConfigDict(extra="forbid"), records=(records, Field()))


def optional(type_: Any, feature: Feature) -> Any:
    """*type_*, or null where *feature* may be missing."""
    return type_ | None if feature.nullable else type_


def _range(feature: Feature) -> str | None:
    if feature.minimum is None or feature.maximum is None:
        return None
    return f"{feature.minimum:g} to {feature.maximum:g} in training"


def explained(
    validate: Callable[[Any], Any],
    json: bytes | msgspec.Raw,
    refusal: Exception,
    where: Sequence[int | str] = ("body",),
) -> InvalidRequest:
    """
    Say what is wrong with *json*: all that pydantic finds, else the *refusal*'s own words.

    Args:
        validate: pydantic's, of values.
        json: what msgspec refused.
        refusal: msgspec's.
        where: the place in the request that it stands at.
    """
    body = bytes(json)
    if len(body) <= MAX_EXPLAINED_BYTES:
        try:
            # Not of JSON: each error would hold a copy of the values around it.
            validate(from_json(body))
        except ValidationError as error:
            return invalid_request(error, where)
        except ValueError as error:
            return _refused(where, "json_invalid", f"Invalid JSON: {error}")
    return _refused(where, "value_error", str(refusal)[:MAX_MESSAGE])  # it may name a long key


def _refused(where: Sequence[int | str], kind: str, message: str) -> InvalidRequest:
    detail = [{"type": kind, "loc": [*where], "msg": message}]
    return InvalidRequest(summary(detail, 1), detail)


def invalid_request(
    error: ValidationError, where: Sequence[int | str] = ("body",)
) -> InvalidRequest:
    """
    FastAPI's list of errors out of pydantic's, without the values that were sent.

    Args:
        error: what pydantic found.
        where: the place in the request that it looked at.
    """
    found = error.errors(include_url=False, include_context=False, include_input=False)
    detail = [
        {
            "type": e["type"],
            "loc": [*where, *e["loc"]],
            "msg": _WORDS_FOR_JSON.get(e["type"], e["msg"]),
        }
        for e in found[:MAX_ERRORS_TOLD]
    ]
    return InvalidRequest(summary(detail, len(found)), detail)


_WORDS_FOR_JSON = {
    "model_type": "Input should be an object",
    "list_type": "Input should be a valid array",
    "dict_type": "Input should be an object",
}
"""Where pydantic's words are about Python's types: what it is given was JSON."""


def summary(detail: Sequence[dict[str, Any]], count: int) -> str:
    """The first of *count* errors in a sentence."""
    first = detail[0]
    where = ".".join(str(part)[:256] for part in first["loc"])
    more = f" (and {count - 1} more)" if count > 1 else ""
    return f"{where}: {first['msg']}{more}"
