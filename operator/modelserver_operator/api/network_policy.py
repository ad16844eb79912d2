"""Who may reach the pods, and whom they may reach."""

from typing import Annotated, Literal

from pydantic import Field

from modelserver_operator.api.peer import EgressRule, Peer
from modelserver_operator.api.wire import ListType, WhenAbsent, Wire


class NetworkPolicy(Wire):
    """Who may reach the pods, and whom they may reach."""

    policy: Literal["Restricted", "None"] = "Restricted"
    """
    `Restricted`: in comes what this section lets in, out goes what the model's source needs.

    `None`: no NetworkPolicy.
    """

    from_: Annotated[
        Annotated[tuple[Peer, ...], Field(min_length=1, max_length=64)] | None,
        Field(alias="from"),
        ListType("atomic"),
        WhenAbsent("anyone, on the port of the API"),
    ] = None
    """Who may send requests, as in networking.k8s.io/v1. Prometheus is let in besides."""

    egress: Annotated[
        Annotated[tuple[EgressRule, ...], Field(max_length=64)] | None,
        ListType("atomic"),
        WhenAbsent("nothing: no source of a model needs the network"),
    ] = None
    """What the pods may reach, as in networking.k8s.io/v1."""
