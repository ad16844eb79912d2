"""On which nodes the pods run."""

from typing import Annotated

from pydantic import Field

from modelserver_operator.api.metadata import NodeLabels
from modelserver_operator.api.placement import Affinity, Toleration, TopologySpreadConstraint
from modelserver_operator.api.reference import ClusterObjectName
from modelserver_operator.api.wire import ListType, WhenAbsent, Wire


class Scheduling(Wire):
    """On which nodes the pods run."""

    node_selector: NodeLabels = Field(default_factory=dict)
    """Labels that a node must have."""

    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32), ListType("atomic")] = ()
    """Taints of nodes that the pods tolerate, as in core/v1."""

    affinity: Affinity | None = None
    """Which nodes and which neighbours are wanted, as in core/v1."""

    topology_spread_constraints: Annotated[
        Annotated[tuple[TopologySpreadConstraint, ...], Field(max_length=16)] | None,
        ListType("map", keys=("topologyKey", "whenUnsatisfiable")),
        WhenAbsent("evenly over nodes and zones where that is possible"),
    ] = None
    """
    How the pods are spread, as in core/v1; an empty list is no spreading.

    A constraint without `labelSelector` counts the pods of this ModelServer.
    """

    priority_class_name: ClusterObjectName | None = None
    """PriorityClass of the pods."""

    runtime_class_name: ClusterObjectName | None = None
    """RuntimeClass of the pods, such as one with stronger isolation."""
