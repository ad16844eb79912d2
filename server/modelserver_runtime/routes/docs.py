"""The API's documentation: its schema, and two pages to read it on that need no internet."""

from functools import cache
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from modelserver_runtime.routes.openapi import describe, title
from modelserver_runtime.routes.pages import page
from modelserver_runtime.serving import Serving

ASSETS = "/docs-assets"


def docs_routes(app: FastAPI, serving: Serving) -> APIRouter:
    """`/openapi.json`, `/docs` and `/redoc`; *app* also gets the assets they use."""
    routes = APIRouter(include_in_schema=False)
    app.mount(ASSETS, StaticFiles(directory=Path(fastapi_offline.__file__).parent / "static"))
    described = cache(describe)

    @routes.get("/openapi.json")
    async def openapi() -> dict[str, Any]:
        return described(app, serving.ready)

    @routes.get("/docs")
    async def docs() -> HTMLResponse:
        return page("swagger.html", title(serving.ready))

    @routes.get("/redoc")
    async def redoc() -> HTMLResponse:
        return page("redoc.html", title(serving.ready))

    return routes
