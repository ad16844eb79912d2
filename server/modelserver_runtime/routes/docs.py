"""OpenAPI typed from the model's own signature, and pages to read it on that need no internet."""

from functools import cache
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

from modelserver_runtime.artifact import Feature, Manifest
from modelserver_runtime.model import ServedModel
from modelserver_runtime.serving import Ready, Serving

ASSETS = "/docs-assets"


class ErrorAnswer(BaseModel):
    """What every error looks like."""

    error: str
    details: str
    timestamp: str
    request_id: str
    detail: list[dict[str, Any]] | None = None


class PredictionValues(BaseModel):
    """One row's answer."""

    prediction: Any
    probability: list[float] | None
    confidence: float | None


class PredictionAnswer(PredictionValues):
    """The answer of /predict."""

    timestamp: str


class BatchAnswer(BaseModel):
    """The answer of /batch-predict."""

    predictions: list[PredictionValues]
    count: int = Field(ge=1)
    timestamp: str


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in {
        400: "The body cannot be understood, or does not fit the model's signature",
        404: "The model's file does not exist",
        406: "Accept leaves out application/json",
        408: "The body came too slowly",
        413: "The body is too large",
        415: "The body is not application/json",
        500: "The model failed",
        503: "No model is ready, or too many requests",
    }.items()
}


def docs_routes(app: FastAPI, serving: Serving) -> APIRouter:
    """`/openapi.json`, `/docs` and `/redoc`; *app* also gets the assets they use."""
    routes = APIRouter(include_in_schema=False)
    app.mount(ASSETS, StaticFiles(directory=Path(fastapi_offline.__file__).parent / "static"))
    described = cache(_openapi)

    @routes.get("/openapi.json")
    async def openapi() -> dict[str, Any]:
        ready = serving.require() if serving.model is not None else None
        return described(app, ready)

    @routes.get("/docs")
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=_title(serving.model),
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )

    @routes.get("/redoc")
    async def redoc() -> HTMLResponse:
        return get_redoc_html(
            openapi_url="/openapi.json",
            title=_title(serving.model),
            redoc_js_url=f"{ASSETS}/redoc.standalone.js",
            redoc_favicon_url=f"{ASSETS}/favicon.png",
            with_google_fonts=False,
        )

    return routes


def _title(model: ServedModel | None) -> str:
    return f"{model.name} {model.version}" if model is not None else "modelserver-runtime"


def _openapi(app: FastAPI, ready: Ready | None) -> dict[str, Any]:
    """The schema of the ordinary routes and, once the model is known, of the prediction routes."""
    model = ready.model if ready is not None else None
    described = FastAPI(
        title=_title(model),
        version=model.version if model is not None else "0",
        description=(model.manifest.description or "") if model is not None else "",
    )
    described.router.routes.extend(app.router.routes)
    if ready is not None:
        described.include_router(_prediction_routes(ready))
    return described.openapi()


def _prediction_routes(ready: Ready) -> APIRouter:
    """Never called: the hot routes answer. These say to OpenAPI what goes in and out."""
    routes = APIRouter(tags=["prediction"], responses=ERRORS)
    example = example_row(ready.model.manifest)

    @routes.post(
        "/predict",
        summary="Predict one row",
        response_model=PredictionAnswer,
        openapi_extra=_body("Features", example),
    )
    async def predict(body: ready.codec.row_model) -> None:  # type: ignore[name-defined]
        """One flat object with every feature."""

    @routes.post(
        "/batch-predict",
        summary="Predict a batch of rows",
        response_model=BatchAnswer,
        openapi_extra=_body("Batch", {"records": [example, example]}),
    )
    async def batch_predict(body: ready.codec.batch_model) -> None:  # type: ignore[name-defined]
        """The rows under `records`."""

    return routes


def _body(_: str, example: Any) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"example": example}}}}


def example_row(manifest: Manifest) -> dict[str, Any]:
    """A row that can be sent as it is: the first golden one, else the middle of each range."""
    features = manifest.signature.features
    if manifest.golden is not None and manifest.golden.rows:
        return dict(zip(manifest.signature.names, manifest.golden.rows[0], strict=True))
    return {feature.name: _example(feature) for feature in features}


def _example(feature: Feature) -> Any:
    if feature.type == "string":
        return feature.categories[0] if feature.categories else ""
    if feature.type == "bool":
        return False
    middle = ((feature.minimum or 0.0) + (feature.maximum or 0.0)) / 2
    return int(middle) if feature.type == "int64" else middle
