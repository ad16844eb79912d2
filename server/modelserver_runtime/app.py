"""Fits the parts together: settings in, an ASGI application out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from modelserver_runtime import errors, loading
from modelserver_runtime.error_responses import internal_error, refusal
from modelserver_runtime.exchange import Answer, Receive, Scope, Send
from modelserver_runtime.gate import Gate
from modelserver_runtime.model import ServedModel
from modelserver_runtime.routes.docs import docs_routes
from modelserver_runtime.routes.health import health_routes
from modelserver_runtime.routes.hot import hot_routes
from modelserver_runtime.routes.metrics import metrics_routes
from modelserver_runtime.routes.model import model_routes
from modelserver_runtime.routes.pages import start_routes
from modelserver_runtime.routes.v1 import v1_routes
from modelserver_runtime.routes.v2 import v2_routes
from modelserver_runtime.serving import Serving
from modelserver_runtime.settings import Settings


class RuntimeApp(FastAPI):
    """FastAPI behind a gate that answers the prediction routes itself."""

    def __init__(self, serving: Serving, **kwargs: Any) -> None:
        super().__init__(openapi_url=None, docs_url=None, redoc_url=None, **kwargs)
        self.serving = serving
        self._gate = Gate(serving, hot_routes(serving), super().__call__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._gate(scope, receive, send)

    def answer_at_once(self, scope: Scope) -> bool:
        """See `Gate.answer_at_once`."""
        return self._gate.answer_at_once(scope)


def create_app(
    settings: Settings,
    *,
    load: Callable[[Settings], ServedModel] = loading.load,
    on_load_failure: Callable[[errors.LoadError], None] = lambda _: None,
    watch: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> RuntimeApp:
    """
    Build the application that *settings* describe.

    Args:
        settings: what to serve and how.
        load: how the model is made; runs in a thread once the application has started.
        on_load_failure: told when there is no model, so that the process can end.
        watch: is entered until the model is loaded, or its failure was told.
    """
    serving = Serving(settings, load)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        starting = asyncio.create_task(_start(serving, on_load_failure, watch))
        yield
        starting.cancel()
        serving.stop()

    app = RuntimeApp(
        serving,
        title="modelserver-runtime",
        lifespan=lifespan,
        exception_handlers={
            HTTPException: _http_error,
            errors.RequestError: _request_error,
            Exception: _internal_error,
        },
    )
    app.include_router(health_routes(serving))
    app.include_router(model_routes(serving))
    app.include_router(v1_routes(serving))
    app.include_router(v2_routes(serving))
    app.include_router(metrics_routes(serving))
    app.include_router(docs_routes(app, serving))
    app.include_router(start_routes(app, serving))
    return app


async def _start(
    serving: Serving,
    on_load_failure: Callable[[errors.LoadError], None],
    watch: Callable[[], AbstractContextManager[None]],
) -> None:
    with watch():
        await serving.start()
        if serving.failure is not None:
            on_load_failure(serving.failure)


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.RequestError)  # noqa: S101 - registered for nothing else
    return _response(refusal(error, request.state.request_id))


async def _internal_error(request: Request, _: Exception) -> Response:
    """Starlette raises the error again once this is sent: it is logged by the server."""
    return _response(internal_error(request.state.request_id))


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals, in our words."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("allow", "GET")
        return _response(refusal(errors.MethodNotAllowed(allowed), request.state.request_id))
    return _response(
        refusal(errors.UnknownRoute("there is no such route"), request.state.request_id)
    )


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, media_type=answer.content_type.decode())
    response.raw_headers.extend(answer.headers)
    return response
