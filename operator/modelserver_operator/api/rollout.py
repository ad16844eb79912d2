"""How pods are replaced after a change."""

from typing import Annotated, ClassVar

from pydantic import Field

from modelserver_operator.api.percent import IntOrPercent
from modelserver_operator.api.wire import Rule, Wire


class Rollout(Wire):
    """How pods are replaced after a change: new ones first, so no request meets fewer pods."""

    rules: ClassVar = (
        Rule(
            cel="self.maxSurge != 0 && self.maxSurge != '0%'",
            holds=lambda self: self.max_surge not in (0, "0%"),
            message="at least one pod must come before one goes: write 1 or more, or 1% or more",
            field="maxSurge",
        ),
        Rule(
            cel="self.progressDeadlineSeconds > self.minReadySeconds",
            holds=lambda self: self.progress_deadline_seconds > self.min_ready_seconds,
            message="progressDeadlineSeconds must be larger than minReadySeconds: no pod could"
            " count in time",
            field="progressDeadlineSeconds",
        ),
    )

    max_surge: IntOrPercent = "25%"
    """Pods that may run above the wanted number, as a number or in percent (rounded up)."""

    min_ready_seconds: Annotated[int, Field(ge=0, le=3600)] = 10
    """How long a new pod must answer before it counts."""

    progress_deadline_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    """How long a rollout may take without progress before `Stalled` says so."""
