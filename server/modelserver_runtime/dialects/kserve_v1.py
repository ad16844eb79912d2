"""KServe's V1 protocol: `instances` or `inputs` in, `predictions` out."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Raw, UnsetType
from pydantic import BaseModel, ConfigDict, Field, create_model

from modelserver_runtime.codec import MALFORMED, Codec, explained
from modelserver_runtime.engines import Rows
from modelserver_runtime.tables import Tables, one_error


class _Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    instances: Raw | UnsetType = UNSET
    inputs: Raw | UnsetType = UNSET


class _Explained(BaseModel):
    model_config = ConfigDict(extra="forbid")

    instances: Any = None
    inputs: Any = None


_decode: Callable[[bytes], _Request] = msgspec.json.Decoder(_Request).decode


def decode_v1(tables: Tables, body: bytes) -> Rows:
    """
    The rows of one request: lists in the signature's order, or objects with every feature.

    Raises:
        InvalidRequest: with the place that is wrong.
    """
    try:
        request = _decode(body)
    except MALFORMED as error:
        raise explained(_Explained.model_validate, body, error) from None
    given = [name for name in ("instances", "inputs") if getattr(request, name) is not UNSET]
    if len(given) != 1:
        raise one_error(("body",), "one_format", "Either instances or inputs should be given")
    return tables.rows_or_records(getattr(request, given[0]), ("body", given[0]))


def v1_model(codec: Codec) -> type[BaseModel]:
    """The request for OpenAPI, typed from the signature."""
    row = codec.row_model
    records = Annotated[list[row], Field(min_length=1)]  # type: ignore[valid-type]
    rows = Annotated[list[list[Any]], Field(min_length=1)]
    return create_model(
        "V1Request",
        __config__=ConfigDict(extra="forbid"),
        __doc__="Either instances or inputs.",
        instances=(records | rows | None, None),
        inputs=(records | rows | None, None),
    )
