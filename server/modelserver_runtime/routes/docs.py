"""The API's documentation: its schema, and two pages to read it on that need no internet."""

from functools import cache
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from modelserver_runtime.routes.openapi import describe, title
from modelserver_runtime.routes.pages import ASSETS as PAGES
from modelserver_runtime.routes.pages import page
from modelserver_runtime.serving import Serving

ASSETS = "/docs-assets"
_FOLDER = Path(fastapi_offline.__file__).parent / "static"
_FOREIGN_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"


def docs_routes(app: FastAPI, serving: Serving) -> APIRouter:
    """`/openapi.json`, `/docs` and `/redoc`; *app* also gets the assets they use."""
    routes = APIRouter(include_in_schema=False)
    described = cache(describe)

    @app.get(f"{ASSETS}/redoc.standalone.js", include_in_schema=False)
    async def redoc_script() -> Response:
        return Response(_redoc_script(), media_type="text/javascript")

    app.mount(ASSETS, StaticFiles(directory=_FOLDER))

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


@cache
def _redoc_script() -> str:
    """Redoc, without the picture that it would fetch from its makers' server."""
    script = (_FOLDER / "redoc.standalone.js").read_text("utf-8")
    return script.replace(_FOREIGN_LOGO, f"{PAGES}/icon.svg")
