"""What the operator tells Prometheus about itself."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from modelserver_operator import __version__


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
        self.requests = Counter(
            f"{prefix}_requests",
            "Requests to the API server, watches not counted, by what came of them: ok, an HTTP "
            "status, timeout or broken.",
            ["verb", "outcome"],
            registry=registry,
        )
        self.throttled = Counter(
            f"{prefix}_throttled_seconds",
            "Time that requests waited for the operator's own rate limit.",
            registry=registry,
        )
        self.drift_repaired = Counter(
            f"{prefix}_drift_repaired",
            "Children set right though nothing new was asked of them.",
            ["kind"],
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
        build = Gauge(
            f"{prefix}_build_info", "1, with the version.", ["version"], registry=registry
        )
        build.labels(version=__version__).set(1)

    def observe_store(self, modelservers: Callable[[], float]) -> None:
        """Have the number of ModelServers read at each scrape."""
        name = "modelserver_operator_modelservers"
        gauge = Gauge(name, "ModelServers that are watched.", registry=self.registry)
        gauge.set_function(modelservers)

    def observe_queue(self, depth: Callable[[], float], oldest: Callable[[], float]) -> None:
        """Have the queue's depth and the age of its oldest key read at each scrape."""
        prefix = "modelserver_operator_queue"
        gauge = Gauge(f"{prefix}_depth", "Keys that wait for a worker.", registry=self.registry)
        gauge.set_function(depth)
        age = Gauge(
            f"{prefix}_oldest_seconds", "Age of the oldest waiting key.", registry=self.registry
        )
        age.set_function(oldest)
