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
from modelserver_operator.children.service import desired_service
from modelserver_operator.children.serviceaccount import desired_service_account
from modelserver_operator.kinds import CONFIG_MAP, DEPLOYMENT, SERVICE, SERVICE_ACCOUNT, Kind


@dataclass(frozen=True)
class Child:
    """
    One kind of child.

    Args:
        kind: what the API server calls it.
        build: the builder; returns None for "should not exist".
        needs: kinds that must be in place first. Where one is refused, this one is left as it
            is: pods must not run under a stranger's ServiceAccount.
    """

    kind: Kind
    build: Callable[..., dict[str, Any] | None]
    needs: frozenset[Kind] = frozenset()


CHILDREN: tuple[Child, ...] = (
    Child(SERVICE_ACCOUNT, desired_service_account),
    Child(CONFIG_MAP, desired_config_map),
    Child(
        DEPLOYMENT,
        desired_deployment,
        needs=frozenset({SERVICE_ACCOUNT, CONFIG_MAP}),
    ),
    Child(SERVICE, desired_service),
)
"""In the order in which they are applied."""


def desired_children(
    server: ModelServer, *, runtime_image: str
) -> list[tuple[Child, dict[str, Any]]]:
    """
    Build every child that *server* should have.

    Args:
        server: the parsed resource.
        runtime_image: what the pods run where the spec names no image.
    """
    built = ((child, child.build(server, runtime_image=runtime_image)) for child in CHILDREN)
    return [(child, body) for child, body in built if body is not None]
