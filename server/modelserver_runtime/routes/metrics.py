"""Metrics for Prometheus."""

from fastapi import APIRouter, Response

from modelserver_runtime.metrics import CONTENT_TYPE, exposition, registry_of
from modelserver_runtime.serving import Serving


def metrics_routes(serving: Serving) -> APIRouter:
    """`/metrics`, and the same at `/prometheus-metrics`."""
    routes = APIRouter(tags=["metrics"])
    registry = registry_of(serving.metrics)

    @routes.get("/metrics", summary="Metrics, Prometheus text format", response_class=Response)
    @routes.get("/prometheus-metrics", summary="The same", response_class=Response)
    async def metrics() -> Response:
        return Response(exposition(registry), headers={"content-type": CONTENT_TYPE})

    return routes
