"""What the model is and what it wants."""

from typing import Any

from fastapi import APIRouter

from modelserver_runtime.serving import Serving


def model_routes(serving: Serving) -> APIRouter:
    """`/model/metadata` and `/model/features`."""
    routes = APIRouter(prefix="/model", tags=["model"])

    @routes.get("/metadata", summary="Name, version, quality, classes and origin")
    async def metadata() -> dict[str, Any]:
        return serving.require().model.metadata()

    @routes.get("/features", summary="Features in order, with the range seen in training")
    async def features() -> dict[str, Any]:
        signature = serving.require().model.manifest.signature
        return {
            "features": [feature.model_dump(mode="json") for feature in signature.features],
            "count": len(signature.features),
        }

    return routes
