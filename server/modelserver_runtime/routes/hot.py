"""Finds the prediction route of a path: those answer without passing the framework."""

from modelserver_runtime.gate import HotRoute, Router
from modelserver_runtime.routes.invocations import invocations_routes
from modelserver_runtime.routes.predict import predict_routes
from modelserver_runtime.routes.v1 import v1_route
from modelserver_runtime.routes.v2 import v2_route
from modelserver_runtime.serving import Serving


def hot_routes(serving: Serving) -> Router:
    """All of them, by path; what follows `/v1/models/` or `/v2/models/` names the model."""
    fixed = (predict_routes(serving) | invocations_routes(serving)).get
    v1, v2 = v1_route(serving), v2_route(serving)

    def find(path: str) -> HotRoute | None:
        route = fixed(path)
        if route is not None:
            return route
        if path.startswith("/v1/models/") and path.endswith(":predict"):
            return v1
        if path.startswith("/v2/models/") and path.endswith("/infer"):
            return v2
        return None

    return find
