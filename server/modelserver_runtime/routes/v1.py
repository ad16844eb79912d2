"""KServe's V1 protocol."""

from functools import partial

from fastapi import APIRouter

from modelserver_runtime.dialects.kserve_v1 import decode_v1
from modelserver_runtime.dialects.mlflow import encode_predictions
from modelserver_runtime.exchange import Answer, Exchange
from modelserver_runtime.gate import HotRoute
from modelserver_runtime.routes.answers import ModelReadiness, V1Models
from modelserver_runtime.routes.of_model import require_model, tables_of
from modelserver_runtime.routes.openapi import NEEDS_MODEL
from modelserver_runtime.serving import Serving

_PREFIX = "/v1/models/"
_SUFFIX = ":predict"


def v1_route(serving: Serving) -> HotRoute:
    """`POST /v1/models/{name}:predict`."""

    async def predict(exchange: Exchange) -> Answer:
        exchange.require_json()
        ready = require_model(serving, exchange.scope["path"][len(_PREFIX) : -len(_SUFFIX)])
        decode = partial(decode_v1, tables_of(ready))
        rows = await serving.decode(decode, await exchange.body())
        outcome = await serving.predict(rows)
        return Answer(200, await serving.encode(encode_predictions, outcome))

    return HotRoute("v1", predict)


def v1_routes(serving: Serving) -> APIRouter:
    """`GET /v1/models` and `GET /v1/models/{name}`."""
    routes = APIRouter(prefix="/v1/models", tags=["KServe V1"])

    @routes.get("", summary="Names of the models: one, or none while it is loaded")
    async def models() -> V1Models:
        return V1Models(models=[serving.model.name] if serving.model is not None else [])

    @routes.get("/{name}", summary="Is the model ready?", responses=NEEDS_MODEL)
    async def model(name: str) -> ModelReadiness:
        return ModelReadiness(name=require_model(serving, name).model.name, ready=True)

    return routes
