"""What the operator tells Prometheus about itself."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """
    Every series of the operator, in one registry.

    Args:
        registry: where they live; a fresh one each, so that two operators fit in one process.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "modelserver_operator"
        self.registry = registry
        self.reconciles = Counter(
            f"{prefix}_reconciles", "Reconciles by how they ended.", ["result"], registry=registry
        )
        self.reconcile_seconds = Histogram(
            f"{prefix}_reconcile_seconds",
            "Time from taking a key to having written what it needed.",
            buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=registry,
        )
        self.writes = Counter(
            f"{prefix}_writes",
            "Writes sent to the API server.",
            ["verb", "kind"],
            registry=registry,
        )
        self.watch_restarts = Counter(
            f"{prefix}_watch_restarts",
            "Watches that were listed anew after an error.",
            ["kind"],
            registry=registry,
        )
        self.loop_restarts = Counter(
            f"{prefix}_loop_restarts",
            "Background loops restarted after an unexpected error.",
            ["loop"],
            registry=registry,
        )
        self.leader = Gauge(
            f"{prefix}_leader", "1 while this process may write.", registry=registry
        )

    def observe_queue(self, depth: Callable[[], float], oldest: Callable[[], float]) -> None:
        """Have the queue's depth and the age of its oldest key read at each scrape."""
        prefix = "modelserver_operator_queue"
        gauge = Gauge(f"{prefix}_depth", "Keys that wait for a worker.", registry=self.registry)
        gauge.set_function(depth)
        age = Gauge(
            f"{prefix}_oldest_seconds", "Age of the oldest waiting key.", registry=self.registry
        )
        age.set_function(oldest)
