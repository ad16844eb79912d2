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
    )

    policy: Literal["Default", "None"] = "Default"
    """`None`: no PodDisruptionBudget, a drain may take all pods at once."""

    max_unavailable: Annotated[
        IntOrPercent | None, WhenAbsent("1 where minAvailable is left out")
    ] = None
    """Pods that may be missing, as a number or in percent (rounded up)."""

    min_available: IntOrPercent | None = None
    """Pods that must stay, as a number or in percent (rounded up)."""
