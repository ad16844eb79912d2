"""How many pods a drain of nodes may take away at one time."""

from typing import Annotated, ClassVar, Literal

from modelserver_operator.api.percent import IntOrPercent
from modelserver_operator.api.wire import Rule, WhenAbsent, Wire


class DisruptionBudget(Wire):
    """How many pods a drain of nodes may take away at one time."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.minAvailable) || !has(self.maxUnavailable)",
            holds=lambda self: self.min_available is None or self.max_unavailable is None,
            message="write minAvailable or maxUnavailable, not both",
        ),
        Rule(
            cel="self.policy != 'None' || !has(self.minAvailable) && !has(self.maxUnavailable)",
            holds=lambda self: (
                self.policy != "None"
                or (self.min_available is None and self.max_unavailable is None)
            ),
            message="with policy None there is no budget: take minAvailable and maxUnavailable out,"
            " or write policy: Default",
            field="policy",
        ),
        Rule(
            cel="!has(self.maxUnavailable)"
            " || self.maxUnavailable != 0 && self.maxUnavailable != '0%'",
            holds=lambda self: self.max_unavailable not in (0, "0%"),
            message="no node could ever be drained: write 1 or more, or 1% or more",
            field="maxUnavailable",
        ),
        Rule(
            cel="!has(self.minAvailable) || self.minAvailable != '100%'",
            holds=lambda self: self.min_available != "100%",
            message="no node could ever be drained: write less than 100%, or maxUnavailable: 1",
            field="minAvailable",
        ),
    )

    policy: Literal["Default", "None"] = "Default"
    """`None`: no PodDisruptionBudget, a drain may take all pods at once."""

    max_unavailable: Annotated[
        IntOrPercent | None,
        WhenAbsent("1 where minAvailable is left out; a lone pod has no budget"),
    ] = None
    """Pods that may be missing, as a number or in percent (rounded up)."""

    min_available: IntOrPercent | None = None
    """Pods that must stay, as a number or in percent (rounded up)."""
