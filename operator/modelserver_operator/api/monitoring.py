"""How Prometheus finds the metrics."""

from typing import Annotated, Literal

from pydantic import Field

from modelserver_operator.api.metadata import Labels
from modelserver_operator.api.wire import Wire, pattern

Interval = Annotated[
    str,
    Field(max_length=6),
    pattern("[1-9][0-9]{0,4}[sm]", 'must be seconds or minutes, such as "30s" or "1m"'),
]


class Monitoring(Wire):
    """How Prometheus finds the metrics."""

    policy: Literal["Auto", "Always", "Never"] = "Auto"
    """
    When there is a ServiceMonitor: `Auto` is where the cluster knows the kind, also from later on.

    `Always` says so in the status where the cluster does not know it.
    """

    interval: Interval = "30s"
    """How often Prometheus asks each pod."""

    labels: Labels = Field(default_factory=dict)
    """Labels of the ServiceMonitor, by which a Prometheus selects it."""
