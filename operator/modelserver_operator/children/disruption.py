"""
How many pods may be missing, and so how many must always answer.

A drain waits for ever where a budget asks for as many pods as there are, so one pod may always go.
"""

from typing import Final

from modelserver_operator.api import ModelServer
from modelserver_operator.api.percent import pods

DEFAULT_DISRUPTION: Final = 1


def allowed_disruption(server: ModelServer, of: int) -> int:
    """Tell how many of *of* pods may be missing at one time: at least one."""
    budget = server.spec.disruption_budget
    allowed = DEFAULT_DISRUPTION
    if budget.policy != "None":
        if budget.max_unavailable is not None:
            allowed = pods(budget.max_unavailable, of)
        elif budget.min_available is not None:
            allowed = of - pods(budget.min_available, of)
    return max(DEFAULT_DISRUPTION, allowed)


def guaranteed_pods(server: ModelServer, wanted: int) -> int:
    """
    Tell how many pods must answer so that *server* counts as available: at least one.

    Args:
        server: the parsed resource.
        wanted: pods that its Deployment is asked for now. What an autoscaler adds to the least it
            keeps is for the load, and no guarantee.
    """
    autoscaling = server.spec.autoscaling
    least = wanted if autoscaling is None else min(wanted, autoscaling.min_replicas)
    return max(1, least - allowed_disruption(server, least))
