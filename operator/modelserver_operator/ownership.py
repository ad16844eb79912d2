"""Whose is the object that has the name of a child of ours?"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.kinds import MODEL_SERVER


class Owner(Enum):
    """Who an existing object belongs to, as seen from one ModelServer."""

    US = "us"
    PREDECESSOR = "a deleted ModelServer of the same name"
    STRANGER = "someone else"


def owner_of(live: Mapping[str, Any], server: ModelServer) -> Owner:
    """
    Tell whose *live* is.

    Ours are: what has our uid as its controller; what we made and someone took the owner
    reference from; and what its owner handed over by the adoption annotation ON THE CHILD (on the
    ModelServer it would let a tenant take Deployments that he may not touch).
    """
    controller = next(
        (r for r in live["metadata"].get("ownerReferences", ()) if r.get("controller")), None
    )
    if controller is not None:
        if controller["uid"] == server.uid:
            return Owner.US
        same_name = (controller["kind"], controller["name"]) == (MODEL_SERVER.name, server.name)
        return Owner.PREDECESSOR if same_name else Owner.STRANGER
    if _made_by_us(live, server) or _annotations(live).get(labels.ADOPT) == server.name:
        return Owner.US
    return Owner.STRANGER


def _made_by_us(live: Mapping[str, Any], server: ModelServer) -> bool:
    metadata = live["metadata"]
    return (
        labels.APPLIED_HASH in _annotations(live)
        and metadata.get("labels", {}).get(labels.NAME) == server.name
        and any(m["manager"] == labels.FIELD_MANAGER for m in metadata.get("managedFields", ()))
    )


def _annotations(live: Mapping[str, Any]) -> Mapping[str, str]:
    annotations: Mapping[str, str] = live["metadata"].get("annotations") or {}
    return annotations
