"""What the model is and what it wants."""

from typing import Any

from fastapi import APIRouter

from modelserver_runtime.routes.answers import FeatureList, Metadata
from modelserver_runtime.routes.examples import example_row
from modelserver_runtime.routes.openapi import NEEDS_MODEL
from modelserver_runtime.serving import Serving


def model_routes(serving: Serving) -> APIRouter:
    """`/model/metadata` and `/model/features`."""
    routes = APIRouter(prefix="/model", tags=["model"], responses=NEEDS_MODEL)

    @routes.get(
        "/metadata",
        summary="Name, version, quality, classes and origin",
        response_model=Metadata,
    )
    async def metadata() -> dict[str, Any]:
        return serving.require().model.metadata()

    @routes.get(
        "/features",
        summary="Features in order, with the range seen in training, and a row to try",
        response_model=FeatureList,
    )
    async def features() -> dict[str, Any]:
        manifest = serving.require().model.manifest
        return {
            "features": [f.model_dump(mode="json") for f in manifest.signature.features],
            "count": len(manifest.signature.features),
            "example": example_row(manifest),
        }

    return routes
