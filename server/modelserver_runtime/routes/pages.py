"""The start page, and what all pages share: they load nothing from anywhere else."""

from html import escape
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from modelserver_runtime import __version__
from modelserver_runtime.routes.answers import Root, ServedModelName
from modelserver_runtime.routes.openapi import title
from modelserver_runtime.serving import Serving

ASSETS = "/pages"
_FOLDER = Path(__file__).parent.parent / "pages"

LINKS = {
    "documentation": "/docs",
    "reference": "/redoc",
    "schema": "/openapi.json",
    "health": "/health",
    "ready": "/ready",
    "metadata": "/model/metadata",
    "features": "/model/features",
    "predict": "/predict",
    "batch_predict": "/batch-predict",
    "mlflow": "/invocations",
    "kserve_v1": "/v1/models",
    "open_inference": "/v2",
    "metrics": "/metrics",
}

_HEADERS = {
    # Redoc and Swagger UI style themselves inline, draw data URLs, and Redoc searches in a worker.
    "content-security-policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "worker-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
    "vary": "accept",
}


def page(name: str, heading: str) -> HTMLResponse:
    """The page in the file called *name*."""
    html = (_FOLDER / name).read_text("utf-8").replace("{{title}}", escape(heading))
    return HTMLResponse(html, headers=_HEADERS)


def start_routes(app: FastAPI, serving: Serving) -> APIRouter:
    """`/`: a page for browsers, JSON for others; *app* also gets the assets of all pages."""
    routes = APIRouter(tags=["health"])
    app.mount(ASSETS, StaticFiles(directory=_FOLDER))

    @routes.get(
        "/",
        summary="What is served here: JSON, or a page for browsers",
        response_model=Root,
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    )
    async def root(request: Request, response: Response) -> Root | HTMLResponse:
        if "text/html" in request.headers.get("accept", ""):
            return page("start.html", title(serving.ready))
        response.headers["vary"] = "accept"
        model = serving.model
        return Root(
            name="modelserver-runtime",
            version=__version__,
            model=None
            if model is None
            else ServedModelName(name=model.name, version=model.version, digest=model.digest),
            links=LINKS,
        )

    return routes
