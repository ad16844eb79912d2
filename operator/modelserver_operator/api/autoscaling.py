"""How many pods run where their number follows the load."""

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from modelserver_operator.api.metric import Behavior, MetricSpec
from modelserver_operator.api.wire import ListType, Rule, WhenAbsent, Wire

CPU_TARGET_PERCENT: Final = 70


def _is_cpu(metric: dict[str, Any]) -> bool:
    return bool(metric.get("resource", {}).get("name") == "cpu")


class Autoscaling(Wire):
    """Bounds and targets of a HorizontalPodAutoscaler."""

    rules: ClassVar = (
        Rule(
            cel="self.minReplicas <= self.maxReplicas",
            holds=lambda self: self.min_replicas <= self.max_replicas,
            message="minReplicas must not be larger than maxReplicas: lower it or raise maxReplicas"
            " (minReplicas is 2 where it is left out)",
            field="minReplicas",
        ),
        Rule(
            cel="!has(self.targetCPUUtilizationPercentage) || !has(self.metrics)"
            " || !self.metrics.exists(m, has(m.resource) && m.resource.name == 'cpu')",
            holds=lambda self: (
                self.target_cpu_utilization_percentage is None
                or not any(_is_cpu(metric) for metric in self.metrics)
            ),
            message="metrics has a target for cpu already: take one of the two out",
            field="targetCPUUtilizationPercentage",
        ),
    )

    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 2
    """Pods that always run, also without load. The server starts with this many."""

    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    """Pods that run at most."""

    target_cpu_utilization_percentage: Annotated[
        Annotated[int, Field(ge=1, le=1000)] | None,
        Field(alias="targetCPUUtilizationPercentage"),
        WhenAbsent(f"{CPU_TARGET_PERCENT} where metrics is left out, else not used"),
    ] = None
    """CPU that the pods are to use on average, in percent of what they ask for."""

    metrics: Annotated[tuple[MetricSpec, ...], Field(max_length=16), ListType("atomic")] = ()
    """Further targets, as in autoscaling/v2; the one that asks for the most pods counts."""

    behavior: Behavior | None = None
    """How fast it scales, as in autoscaling/v2."""

    @property
    def cpu_target_percent(self) -> int | None:
        """The average CPU to aim at; None where only `metrics` count."""
        if self.target_cpu_utilization_percentage is None and not self.metrics:
            return CPU_TARGET_PERCENT
        return self.target_cpu_utilization_percentage
