"""MLflow's scoring protocol."""

from collections.abc import Callable
from functools import partial

from modelserver_runtime.dialects.csv_table import decode_csv
from modelserver_runtime.dialects.mlflow import decode_invocation, encode_predictions
from modelserver_runtime.engines import Rows
from modelserver_runtime.errors import UnsupportedMedia
from modelserver_runtime.exchange import Answer, Exchange, is_json, is_utf8, media_type
from modelserver_runtime.gate import HotRoute
from modelserver_runtime.routes.of_model import tables_of
from modelserver_runtime.serving import Serving
from modelserver_runtime.tables import Tables

CSV = b"text/csv"


def invocations_routes(serving: Serving) -> dict[str, HotRoute]:
    """`POST /invocations`."""

    async def invocations(exchange: Exchange) -> Answer:
        exchange.require_json_accepted()
        decode = _decoder(exchange.content_type)
        tables = tables_of(serving.require())
        rows = await serving.decode(partial(decode, tables), await exchange.body())
        outcome = await serving.predict(rows)
        return Answer(200, await serving.encode(encode_predictions, outcome))

    return {"/invocations": HotRoute("invocations", invocations)}


def _decoder(content_type: bytes) -> Callable[[Tables, bytes], Rows]:
    if media_type(content_type) == CSV and is_utf8(content_type):
        return decode_csv
    if content_type == b"" or is_json(content_type):
        return decode_invocation
    raise UnsupportedMedia("send the body as application/json or text/csv, in UTF-8")
