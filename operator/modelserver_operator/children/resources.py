"""What a pod asks for and may use at most."""

from typing import Any, Final

from modelserver_operator.api import ModelServer

DEFAULT_REQUESTS: Final = {"cpu": "250m", "memory": "256Mi"}
DEFAULT_LIMITS: Final = {"cpu": "500m", "memory": "512Mi"}


def effective_resources(server: ModelServer) -> dict[str, Any]:
    """Take the spec's resources as they are; the defaults only where it has none at all."""
    if server.spec.resources is None:
        return {"requests": dict(DEFAULT_REQUESTS), "limits": dict(DEFAULT_LIMITS)}
    return server.spec.resources.model_dump(mode="json", by_alias=True, exclude_none=True)
