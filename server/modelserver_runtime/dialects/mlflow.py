"""MLflow's scoring protocol: four JSON formats and CSV in, `predictions` out."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import UNSET, Raw, UnsetType
from pydantic import BaseModel, ConfigDict, Field, Strict, create_model

from modelserver_runtime.codec import MALFORMED, Codec, explained
from modelserver_runtime.engines import Outcome, Rows
from modelserver_runtime.tables import Tables, one_error

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class _Frame(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """`DataFrame.to_dict(orient="split")`; the index changes nothing."""

    data: Raw
    columns: list[str] | None = None
    index: Any = None


class _Invocation(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    dataframe_split: _Frame | UnsetType = UNSET
    dataframe_records: Raw | UnsetType = UNSET
    instances: Raw | UnsetType = UNSET
    inputs: Raw | UnsetType = UNSET
    params: Any = None


class _ExplainedFrame(BaseModel):
    model_config = ConfigDict(extra="forbid")

    data: list[Any]
    columns: Annotated[list[Annotated[str, Strict()]], Field(fail_fast=True)] | None = None
    index: Any = None


class _ExplainedInvocation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dataframe_split: _ExplainedFrame | None = None
    dataframe_records: Any = None
    instances: Any = None
    inputs: Any = None
    params: Any = None


_decode: Callable[[bytes], _Invocation] = msgspec.json.Decoder(_Invocation).decode


def decode_invocation(tables: Tables, body: bytes) -> Rows:
    """
    The rows of one JSON request.

    `params` is read and changes nothing: a scikit-learn model has no parameters of prediction,
    and MLflow ignores them as well.

    Raises:
        InvalidRequest: with the place that is wrong.
    """
    try:
        request = _decode(body)
    except MALFORMED as error:
        raise explained(_ExplainedInvocation.model_validate, body, error) from None
    given = [name for name in FORMATS if getattr(request, name) is not UNSET]
    if len(given) != 1:
        raise one_error(
            ("body",), "one_format", f"Exactly one of {', '.join(FORMATS)} should be given"
        )
    name = given[0]
    where = ("body", name)
    if isinstance(request.dataframe_split, _Frame):
        frame = request.dataframe_split
        columns = frame.columns if frame.columns is not None else tables.names
        return tables.matrix(frame.data, columns, (*where, "data"))
    json: Raw = getattr(request, name)
    if name == "dataframe_records":
        return tables.records(json, where)
    return tables.rows_or_columns(json, where)


def encode_predictions(outcome: Outcome) -> bytes:
    """What `predict` returned, as MLflow and KServe V1 both want it."""
    return orjson.dumps({"predictions": outcome.predictions.tolist()})


def invocation_model(codec: Codec) -> type[BaseModel]:
    """The JSON request for OpenAPI, typed from the signature."""
    row = codec.row_model
    cells = list[Any]
    frame = create_model(
        "DataFrameSplit",
        __config__=ConfigDict(extra="forbid"),
        columns=(list[str], Field(description="The features' names, in the order of the data")),
        data=(Annotated[list[cells], Field(min_length=1)], ...),
        index=(list[Any] | None, None),
    )
    records = Annotated[list[row], Field(min_length=1)]  # type: ignore[valid-type]
    rows = Annotated[list[cells], Field(min_length=1)]
    columns = dict[str, Any]
    return create_model(
        "Invocation",
        __config__=ConfigDict(extra="forbid"),
        __doc__=f"Exactly one of {', '.join(FORMATS)}.",
        dataframe_split=(frame | None, None),
        dataframe_records=(records | None, None),
        instances=(records | rows | columns | None, None),
        inputs=(records | rows | columns | None, None),
        params=(dict[str, Any] | None, Field(None, description="Taken, and without effect")),
    )
