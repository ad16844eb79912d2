"""The address that clients use."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from modelserver_operator.api.metadata import Annotations
from modelserver_operator.api.wire import Rule, WhenAbsent, Wire

Port = Annotated[int, Field(ge=1, le=65535)]


class Service(Wire):
    """The address that clients use."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.nodePort) || self.type != 'ClusterIP'",
            holds=lambda self: self.node_port is None or self.type != "ClusterIP",
            message="a ClusterIP has no port on the nodes: take nodePort out, or set type to"
            " NodePort or LoadBalancer",
            field="nodePort",
        ),
    )

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Who reaches it: the cluster, whoever reaches a node, or whoever reaches a load balancer."""

    port: Port = 80
    """Port of the address. The pods listen on 8000 in any case."""

    node_port: Annotated[Port | None, WhenAbsent("chosen by the API server")] = None
    """Port on every node, in the range that the cluster has for it (usually 30000 to 32767)."""

    annotations: Annotations = Field(default_factory=dict)
    """Annotations of the Service, such as those that a cloud's load balancer understands."""
