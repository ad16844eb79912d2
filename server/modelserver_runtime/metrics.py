"""What the process counts, under names that dashboards rely on."""

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from modelserver_runtime.model import ServedModel

ENDPOINTS = ("predict", "batch-predict", "invocations", "v1", "v2")
REJECTIONS = (
    *("concurrency", "in-flight-bytes", "connections"),
    *("unauthorized", "forbidden", "rate-limit"),
)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_FIRST_BAD_STATUS = 400
# Statuses that every client may meet: their series start at 0, so that the first one is seen as
# an increase.
_EXPECTED_STATUSES = (200, 400, 413, 500, 503)
_LATENCY_BUCKETS = (
    *(0.0001, 0.00025, 0.0005),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
    *(2.5, 5.0, 10.0),
)
_ROWS_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0)


class Distribution:
    """A histogram that one thread writes: no lock, two additions a value."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count *value* in its bucket."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Prometheus's buckets: how many values were at most the bound."""
        so_far = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*self._bounds, float("inf")), self.counts, strict=True):
            so_far += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), so_far))
        return buckets


class EndpointCounts:
    """Answers of one endpoint."""

    __slots__ = ("latency", "statuses")

    def __init__(self) -> None:
        self.statuses = dict.fromkeys(_EXPECTED_STATUSES, 0)
        self.latency = Distribution(_LATENCY_BUCKETS)

    def answered(self, status: int, seconds: float) -> None:
        """Count one answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.latency.observe(seconds)

    @property
    def failed(self) -> int:
        """Answers with a status of 400 or more."""
        return sum(n for status, n in self.statuses.items() if status >= _FIRST_BAD_STATUS)

    @property
    def successful(self) -> int:
        """All other answers."""
        return sum(n for status, n in self.statuses.items() if status < _FIRST_BAD_STATUS)


class Metrics(Collector):
    """
    Every metric of one runtime.

    A collector of our own: prometheus_client refuses a counter whose name lacks `_total`, and the
    names `prediction_requests_successful` and `prediction_requests_failed` are a contract. They
    are exposed exactly so, and under the conventional names beside them.
    """

    def __init__(self) -> None:
        self.endpoints = {name: EndpointCounts() for name in ENDPOINTS}
        self.batch_rows = Distribution(_ROWS_BUCKETS)
        self.rejected = dict.fromkeys(REJECTIONS, 0)
        self.in_flight = 0
        self.model: ServedModel | None = None
        self._started = time.monotonic()

    def collect(self) -> Iterator[Metric]:
        """Yield the families in the order they are documented in."""
        yield from self._requests()
        yield self._latency()
        yield from self._model()
        yield GaugeMetricFamily(
            "api_uptime_seconds",
            "Seconds since the process started",
            value=time.monotonic() - self._started,
        )
        yield GaugeMetricFamily(
            "prediction_requests_in_flight", "Prediction requests being answered", self.in_flight
        )
        yield HistogramMetricFamily(
            "prediction_batch_rows",
            "Rows in one prediction request",
            buckets=self.batch_rows.cumulative(),
            sum_value=self.batch_rows.total,
        )
        rejected = CounterMetricFamily(
            "rejected_requests", "Requests refused before they were read", labels=["reason"]
        )
        for reason, count in self.rejected.items():
            rejected.add_metric([reason], count)
        yield rejected

    def _requests(self) -> Iterator[Metric]:
        total = CounterMetricFamily(
            "prediction_requests",
            "Prediction requests answered, by HTTP status",
            labels=["endpoint", "status"],
        )
        for name, counts in self.endpoints.items():
            for status, count in counts.statuses.items():
                total.add_metric([name, str(status)], count)
        yield total
        for outcome in ("successful", "failed"):
            yield from self._twins(outcome)

    def _twins(self, outcome: str) -> Iterator[Metric]:
        name = f"prediction_requests_{outcome}"
        documentation = f"Prediction requests that were {outcome} (failed: status 400 or more)"
        bare = Metric(name, documentation, "unknown")
        conventional = CounterMetricFamily(name, documentation, labels=["endpoint"])
        for endpoint, counts in self.endpoints.items():
            count = counts.failed if outcome == "failed" else counts.successful
            bare.add_sample(name, {"endpoint": endpoint}, count)
            conventional.add_metric([endpoint], count)
        yield bare
        yield conventional

    def _latency(self) -> Metric:
        latency = HistogramMetricFamily(
            "prediction_latency_seconds",
            "Seconds from a request's headers to its answer",
            labels=["endpoint"],
        )
        for name, counts in self.endpoints.items():
            latency.add_metric([name], counts.latency.cumulative(), counts.latency.total)
        return latency

    def _model(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "model_loaded", "1 while a verified model is served", float(self.model is not None)
        )
        info = InfoMetricFamily(
            "model",
            "The model being served",
            labels=[],
        )
        if self.model is not None:
            info.add_metric(
                [],
                {
                    "name": self.model.name,
                    "version": self.model.version,
                    "digest": self.model.digest,
                    "format": self.model.format,
                    "engine": self.model.engine.name,
                    "engine_reason": self.model.engine_reason,
                },
            )
        yield info


def registry_of(metrics: Metrics) -> CollectorRegistry:
    """A registry with *metrics* and what prometheus_client knows of the process and of Python."""
    registry = CollectorRegistry()
    registry.register(metrics)
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """Text format 0.0.4: the bare names of the contract cannot exist in OpenMetrics."""
    return generate_latest(registry)
