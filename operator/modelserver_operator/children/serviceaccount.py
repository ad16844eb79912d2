"""The identity that the pods run under: their own, and without a token for the API server."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children.surroundings import Surroundings


def desired_service_account(server: ModelServer, _: Surroundings) -> dict[str, Any]:
    """Build the ServiceAccount *server* should have."""
    annotations = server.spec.service_account.annotations
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": labels.child_metadata(server, server.name, annotations),
        "automountServiceAccountToken": False,
    }
