"""Is the process alive, and is the model ready?"""

from http import HTTPStatus

from fastapi import APIRouter, Response

from modelserver_runtime import __version__
from modelserver_runtime.clock import timestamp
from modelserver_runtime.error_responses import RETRY_AFTER_SECONDS
from modelserver_runtime.routes.answers import Health, Readiness, Version
from modelserver_runtime.serving import Serving


def health_routes(serving: Serving) -> APIRouter:
    """`/health`, `/ready`, `/ping` and `/version`."""
    routes = APIRouter(tags=["health"])

    @routes.get("/health", summary="Liveness: the process can work")
    async def health() -> Health:
        return Health(
            status="healthy",
            version=__version__,
            model_loaded=serving.model is not None,
            timestamp=timestamp(),
        )

    @routes.get(
        "/ready",
        summary="Readiness: a verified model answers",
        responses={503: {"model": Readiness, "description": "Not ready; `reason` says why"}},
        response_model_exclude_unset=True,
    )
    async def ready(response: Response) -> Readiness:
        reason = serving.not_ready_reason()
        if reason is None:
            return Readiness(status="ready", timestamp=timestamp())
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["retry-after"] = str(RETRY_AFTER_SECONDS)
        message = str(serving.failure) if serving.failure else None
        return Readiness(status="not ready", reason=reason, message=message, timestamp=timestamp())

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
    async def version() -> Version:
        return Version(version=__version__)

    return routes
