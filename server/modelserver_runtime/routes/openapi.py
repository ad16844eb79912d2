"""OpenAPI typed from the model's own signature, with examples that can be sent as they are."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from modelserver_runtime import __version__
from modelserver_runtime.artifact import Manifest
from modelserver_runtime.dialects.kserve_v1 import v1_model
from modelserver_runtime.dialects.mlflow import invocation_model
from modelserver_runtime.dialects.open_inference import V2Request
from modelserver_runtime.routes.answers import (
    BatchAnswer,
    ErrorAnswer,
    InferenceResponse,
    PredictionAnswer,
    Predictions,
)
from modelserver_runtime.routes.examples import body_examples
from modelserver_runtime.serving import Ready

_DESCRIPTIONS: Mapping[int, str] = {
    400: "The body cannot be understood, or does not fit the model's signature",
    401: "A token is needed",
    403: "The token is none of ours",
    404: "No such route or model, or the model's file does not exist",
    405: "Another method is wanted",
    406: "Accept leaves out what is answered",
    408: "The request came too slowly",
    413: "The body is too large",
    414: "The URL is too long",
    415: "The body is of a kind that is not read",
    429: "Too many requests; Retry-After says when again",
    431: "The headers are too large",
    500: "The model failed",
    503: "No model is ready, or too many requests; Retry-After says when again",
}
_JSON = "application/json"
_V2 = "Open Inference Protocol V2"
_PREDICTION_ERRORS = tuple(_DESCRIPTIONS)
_OTHER_ERRORS = (400, 401, 403, 414, 429, 431, 500)
_TAGS = ("prediction", "model", "health", "metrics", "MLflow", "KServe V1", _V2)
# They need the model, or name it.
_MODEL_ERRORS = (404, 503)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI's description of the errors with *statuses*."""
    return {
        status: {"model": ErrorAnswer, "description": _DESCRIPTIONS[status]} for status in statuses
    }


NEEDS_MODEL = errors(*_MODEL_ERRORS)


def title(ready: Ready | None) -> str:
    """The heading of the pages."""
    return "modelserver-runtime" if ready is None else f"{ready.model.name} {ready.model.version}"


def describe(app: FastAPI, ready: Ready | None) -> dict[str, Any]:
    """The schema of the ordinary routes of *app* and, once there is a model, of its predictions."""
    manifest = ready.model.manifest if ready is not None else None
    described = FastAPI(
        title=ready.model.name if ready is not None else "modelserver-runtime",
        openapi_tags=[{"name": name} for name in _TAGS],
        version=ready.model.version if ready is not None else __version__,
        description=(manifest.description or "") if manifest is not None else "",
        responses=errors(*_OTHER_ERRORS),
    )
    if ready is not None:
        described.include_router(_prediction_routes(ready))
    described.router.routes.extend(app.router.routes)
    schema = described.openapi()
    _finish(schema, ready)
    if ready is not None:
        _add_examples(schema, ready.model.manifest)
    return schema


def _finish(schema: dict[str, Any], ready: Ready | None) -> None:
    """What FastAPI cannot be told: no 422 is ever answered, and which models there are."""
    named = {} if ready is None else {"name": ready.model.name, "version": ready.model.version}
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            for status, answer in _common_errors().items():
                operation["responses"].setdefault(status, answer)
            operation["responses"] = dict(sorted(operation["responses"].items()))
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in named:
                    parameter["schema"] = {"type": "string", "enum": [named[parameter["name"]]]}
    schemas = schema["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.setdefault("ErrorAnswer", ErrorAnswer.model_json_schema())


def _add_examples(schema: dict[str, Any], manifest: Manifest) -> None:
    """Here and not at the routes: FastAPI leaves out every null, also out of examples."""
    for path, content in body_examples(manifest).items():
        body = schema["paths"][path]["post"]["requestBody"]["content"]
        for content_type, examples in content.items():
            body.setdefault(content_type, {"schema": {"type": "string"}})["examples"] = {
                name: {"value": value} for name, value in examples.items()
            }


def _common_errors() -> dict[str, Any]:
    content = {_JSON: {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
    return {
        str(status): {"description": _DESCRIPTIONS[status], "content": content}
        for status in _OTHER_ERRORS
    }


def _prediction_routes(ready: Ready) -> APIRouter:
    """Never called: the hot routes answer. These say to OpenAPI what goes in and out."""
    routes = APIRouter(responses=errors(*_PREDICTION_ERRORS))
    invocation, v1 = invocation_model(ready.codec), v1_model(ready.codec)

    @routes.post(
        "/predict",
        tags=["prediction"],
        summary="Predict one row",
        response_model=PredictionAnswer,
    )
    async def predict(body: ready.codec.row_model) -> None:  # type: ignore[name-defined]
        """One flat object with every feature."""

    @routes.post(
        "/batch-predict",
        tags=["prediction"],
        summary="Predict a batch of rows",
        response_model=BatchAnswer,
    )
    async def batch_predict(body: ready.codec.batch_model) -> None:  # type: ignore[name-defined]
        """The rows under `records`."""

    @routes.post(
        "/invocations",
        tags=["MLflow"],
        summary="Predict, in MLflow's scoring protocol",
        response_model=Predictions,
    )
    async def invocations(body: invocation) -> None:  # type: ignore[valid-type]
        """Exactly one of the four formats, or CSV with a line of names."""

    @routes.post(
        "/v1/models/{name}:predict",
        tags=["KServe V1"],
        summary="Predict, in KServe's V1 protocol",
        response_model=Predictions,
    )
    async def v1_predict(name: str, body: v1) -> None:  # type: ignore[valid-type]
        """Lists have the values in the order of `/model/features`."""

    binary = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    answers = {200: {"model": InferenceResponse, "content": binary, "description": "The outputs"}}
    header = {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "required": False,
        "description": "Bytes of JSON, where binary tensor data follow it",
        "schema": {"type": "integer", "minimum": 0},
    }
    extra = {"parameters": [header], "requestBody": {"content": binary}}

    @routes.post(
        "/v2/models/{name}/infer",
        tags=[_V2],
        summary="Predict, in the Open Inference Protocol",
        responses=answers,  # type: ignore[arg-type]
        openapi_extra=extra,
        response_class=Response,
    )
    async def infer(name: str, body: V2Request) -> None:
        """One [rows, features] tensor of any name, or one tensor for each feature by its name."""

    @routes.post(
        "/v2/models/{name}/versions/{version}/infer",
        tags=[_V2],
        summary="The same, of one version",
        responses=answers,  # type: ignore[arg-type]
        openapi_extra=extra,
        response_class=Response,
    )
    async def infer_version(name: str, version: str, body: V2Request) -> None:
        """The same request."""

    return routes
