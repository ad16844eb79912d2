"""
What a ModelServer should have: one file per kind of child, and this table of them.

A new kind is one file with a pure builder, one line here, and its rule in the chart's RBAC.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelserver_operator.api import ModelServer
from modelserver_operator.children.configmap import desired_config_map
from modelserver_operator.children.deployment import desired_deployment
from modelserver_operator.children.horizontalpodautoscaler import (
    desired_horizontal_pod_autoscaler,
)
from modelserver_operator.children.networkpolicy import desired_network_policy
from modelserver_operator.children.poddisruptionbudget import desired_pod_disruption_budget
from modelserver_operator.children.service import desired_service
from modelserver_operator.children.serviceaccount import desired_service_account
from modelserver_operator.children.servicemonitor import desired_service_monitor
from modelserver_operator.children.surroundings import Surroundings
from modelserver_operator.errors import ChildRefused
from modelserver_operator.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    Kind,
)


@dataclass(frozen=True)
class Child:
    """
    One kind of child.

    Args:
        kind: what the API server calls it.
        build: the builder; returns None for "should not exist", raises `ChildRefused` for "cannot
            exist here".
        needs: kinds that must be in place first. Where one is refused, this one is left as it is:
            pods must not run under a stranger's ServiceAccount.
    """

    kind: Kind
    build: Callable[[ModelServer, Surroundings], dict[str, Any] | None]
    needs: frozenset[Kind] = frozenset()


CHILDREN: tuple[Child, ...] = (
    Child(SERVICE_ACCOUNT, desired_service_account),
    Child(CONFIG_MAP, desired_config_map),
    # Before the pods, which are protected from the start.
    Child(NETWORK_POLICY, desired_network_policy),
    Child(
        DEPLOYMENT,
        desired_deployment,
        needs=frozenset({SERVICE_ACCOUNT, CONFIG_MAP}),
    ),
    # After the count was let go, or it would have two owners; and never over a stranger's pods.
    Child(
        HORIZONTAL_POD_AUTOSCALER,
        desired_horizontal_pod_autoscaler,
        needs=frozenset({DEPLOYMENT}),
    ),
    Child(POD_DISRUPTION_BUDGET, desired_pod_disruption_budget),
    Child(SERVICE, desired_service),
    Child(SERVICE_MONITOR, desired_service_monitor),
)
"""In the order in which they are applied."""

Desired = tuple[Child, dict[str, Any] | ChildRefused]
"""A child and what it should be, or why it cannot be."""


def desired_children(server: ModelServer, surroundings: Surroundings) -> list[Desired]:
    """Build every child that *server* should have."""
    built = ((child, _built(child, server, surroundings)) for child in CHILDREN)
    return [(child, body) for child, body in built if body is not None]


def _built(
    child: Child, server: ModelServer, surroundings: Surroundings
) -> dict[str, Any] | ChildRefused | None:
    try:
        return child.build(server, surroundings)
    except ChildRefused as error:
        return error
