"""What a builder knows beside the spec: the operator's defaults, and what the cluster offers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Surroundings:
    """
    The same for every ModelServer that is reconciled at one time, but for the image.

    Args:
        runtime_image: what the pods run.
        prometheus_namespace: where Prometheus is, which is let in to the metrics; empty: nowhere.
        monitoring_served: whether the API server knows the kind ServiceMonitor.
    """

    runtime_image: str
    prometheus_namespace: str = ""
    monitoring_served: bool = False
