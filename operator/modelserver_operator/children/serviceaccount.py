"""The identity that the pods run under: their own, and without a token for the API server."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer


def desired_service_account(server: ModelServer, **_: object) -> dict[str, Any]:
    """Build the ServiceAccount *server* should have."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": labels.child_metadata(server, server.name),
        "automountServiceAccountToken": False,
    }
