"""Is the process alive, is the model ready, and who are we."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response

from modelserver_runtime import __version__
from modelserver_runtime.clock import timestamp
from modelserver_runtime.error_responses import RETRY_AFTER_SECONDS
from modelserver_runtime.serving import Serving


def health_routes(serving: Serving) -> APIRouter:
    """`/`, `/health`, `/ready`, `/ping` and `/version`."""
    routes = APIRouter(tags=["health"])

    @routes.get("/", summary="What is served here")
    async def root() -> dict[str, Any]:
        model = serving.model
        return {
            "name": "modelserver-runtime",
            "version": __version__,
            "model": None
            if model is None
            else {"name": model.name, "version": model.version, "digest": model.digest},
            "links": {
                "documentation": "/docs",
                "health": "/health",
                "ready": "/ready",
                "metadata": "/model/metadata",
                "features": "/model/features",
                "predict": "/predict",
                "batch_predict": "/batch-predict",
                "metrics": "/metrics",
            },
        }

    @routes.get("/health", summary="Liveness: the process can work")
    async def health() -> dict[str, Any]:
        return {
            "status": "healthy",
            "version": __version__,
            "model_loaded": serving.model is not None,
            "timestamp": timestamp(),
        }

    @routes.get(
        "/ready",
        summary="Readiness: a verified model answers",
        responses={503: {"description": "Not ready; `reason` says why"}},
    )
    async def ready(response: Response) -> dict[str, Any]:
        reason = serving.not_ready_reason()
        if reason is None:
            return {"status": "ready", "timestamp": timestamp()}
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["retry-after"] = str(RETRY_AFTER_SECONDS)
        message = str(serving.failure) if serving.failure else None
        return {
            "status": "not ready",
            "reason": reason,
            "message": message,
            "timestamp": timestamp(),
        }

    @routes.get(
        "/ping",
        summary="MLflow's health check",
        response_class=Response,
        responses={404: {"description": "No model is loaded"}},
    )
    async def ping() -> Response:
        loaded = serving.model is not None
        return Response(
            "\n",
            HTTPStatus.OK if loaded else HTTPStatus.NOT_FOUND,
            media_type="application/json",
        )

    @routes.get("/version", summary="Version of the runtime")
    async def version() -> dict[str, str]:
        return {"version": __version__}

    return routes
