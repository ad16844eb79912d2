"""What a pod asks for and may use at most."""

from typing import Any

from modelserver_operator.api import ModelServer


def effective_resources(server: ModelServer) -> dict[str, Any]:
    """Give the spec's resources as the API server writes them; the CRD has the defaults."""
    resources: dict[str, Any] = server.spec.resources.model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    return resources
