"""The Open Inference Protocol V2 over REST."""

import re
from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Response

from modelserver_runtime import __version__
from modelserver_runtime.dialects.open_inference import (
    BINARY_EXTENSION,
    Inference,
    InferenceAnswer,
    tensor_metadata,
)
from modelserver_runtime.error_responses import RETRY_AFTER_SECONDS
from modelserver_runtime.errors import InvalidRequest, UnknownModel
from modelserver_runtime.exchange import Answer, Exchange, media_type
from modelserver_runtime.gate import HotRoute
from modelserver_runtime.model import ServedModel
from modelserver_runtime.routes.answers import (
    ModelMetadata,
    ModelReadiness,
    ServerMetadata,
    TensorMetadata,
)
from modelserver_runtime.routes.of_model import open_inference_of, require_model
from modelserver_runtime.routes.openapi import NEEDS_MODEL
from modelserver_runtime.serving import Ready, Serving

OCTETS = b"application/octet-stream"
HEADER_LENGTH = b"inference-header-content-length"
PLATFORM = "sklearn"

_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer").fullmatch
_LENGTH = re.compile(rb"\d{1,10}").fullmatch


def v2_route(serving: Serving) -> HotRoute:
    """`POST /v2/models/{name}[/versions/{version}]/infer`."""
    max_rows = serving.settings.max_batch_rows

    async def infer(exchange: Exchange) -> Answer:
        header_length = _header_length(exchange)
        ready = _require_path(serving, exchange.scope["path"])
        codec = open_inference_of(ready, max_rows)
        body = await exchange.body()
        inference = await serving.decode(partial(codec.decode, header_length=header_length), body)
        _require_same_model(serving, inference)
        if not inference.is_binary:
            exchange.require_json_accepted()
        outcome = await serving.predict(inference.rows)
        encode = partial(codec.encode, inference)
        if outcome.has_few_numbers:
            return _answer(encode(outcome))
        return _answer(await serving.encode(encode, outcome))

    return HotRoute("v2", infer)


def v2_routes(serving: Serving) -> APIRouter:
    """What the server and its model say of themselves."""
    routes = APIRouter(prefix="/v2", tags=["Open Inference Protocol V2"])

    @routes.get("", summary="Name, version and extensions of the server")
    async def server() -> ServerMetadata:
        return ServerMetadata(
            name="modelserver-runtime", version=__version__, extensions=[BINARY_EXTENSION]
        )

    @routes.get("/health/live", summary="The process can work")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @routes.get(
        "/health/ready",
        summary="The model is ready",
        responses={503: {"description": "Not ready"}},
    )
    async def health_ready(response: Response) -> dict[str, bool]:
        ready = serving.not_ready_reason() is None
        if not ready:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
            response.headers["retry-after"] = str(RETRY_AFTER_SECONDS)
        return {"ready": ready}

    models = APIRouter(prefix="/models/{name}", responses=NEEDS_MODEL)

    @models.get("", summary="Tensors of the model")
    async def model(name: str) -> ModelMetadata:
        return _metadata(require_model(serving, name).model)

    @models.get("/ready", summary="The model is ready")
    async def model_ready(name: str) -> ModelReadiness:
        return ModelReadiness(name=require_model(serving, name).model.name, ready=True)

    @models.get("/versions/{version}", summary="Tensors of the model's version")
    async def version(name: str, version: str) -> ModelMetadata:
        return _metadata(require_model(serving, name, version).model)

    @models.get("/versions/{version}/ready", summary="The model's version is ready")
    async def version_ready(name: str, version: str) -> ModelReadiness:
        return ModelReadiness(name=require_model(serving, name, version).model.name, ready=True)

    routes.include_router(models)
    return routes


def _metadata(model: ServedModel) -> ModelMetadata:
    inputs, outputs = tensor_metadata(model.manifest)
    return ModelMetadata(
        name=model.name,
        versions=[model.version],
        platform=PLATFORM,
        inputs=[TensorMetadata(**tensor) for tensor in inputs],
        outputs=[TensorMetadata(**tensor) for tensor in outputs],
    )


def _header_length(exchange: Exchange) -> int | None:
    given = exchange.inference_header_length
    if not given:
        exchange.require_json_sent()
        return None
    if _LENGTH(given) is None:
        raise InvalidRequest("Inference-Header-Content-Length should be a number of bytes")
    if media_type(exchange.content_type) != OCTETS:
        exchange.require_json_sent()
    return int(given)


def _require_path(serving: Serving, path: str) -> Ready:
    named = _PATH(path)
    if named is None:
        raise UnknownModel("there is no such model here")
    return require_model(serving, named[1], named[2])


def _require_same_model(serving: Serving, inference: Inference) -> None:
    """The body may name the model once more; then it must be the same."""
    name, version = inference.model
    if name is not None or version is not None:
        ready = serving.require()
        require_model(serving, name or ready.model.name, version or None)


def _answer(encoded: InferenceAnswer) -> Answer:
    if encoded.header_length is None:
        return Answer(200, encoded.body)
    header = (HEADER_LENGTH, b"%d" % encoded.header_length)
    return Answer(200, encoded.body, OCTETS, (header,))
