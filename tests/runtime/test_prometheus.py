"""The queries that dashboards rely on, answered by a real Prometheus."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.process import running
from runtime.programs import free_port, program, started

pytestmark = pytest.mark.programs

SECONDS = 40.0
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: runtime
  static_configs: [{{targets: ["{target}"]}}]
"""
BY_ENDPOINT = "sum(rate(prediction_requests_total[5m])) by (endpoint)"
FAILED_PERCENT = (
    "(sum(rate(prediction_requests_failed[5m])) / sum(rate(prediction_requests_total[5m]))) * 100"
)
P95 = "histogram_quantile(0.95, rate(prediction_latency_seconds_bucket[5m]))"
BY_STATUS = "sum(increase(prediction_requests_total[5m])) by (status)"
LOADED = "model_loaded"


class Prometheus:
    """A client of one."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return self._http.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def ask(self, query: str) -> dict[str, float]:
        """The answer's values by their label, or by "" where there is none."""
        answer = self._http.get("/api/v1/query", params={"query": query}).json()
        assert answer["status"] == "success", answer
        return {
            next((v for k, v in one["metric"].items() if k in ("endpoint", "status")), ""): float(
                one["value"][1]
            )
            for one in answer["data"]["result"]
        }

    def scrapes(self) -> float:
        """How often it has scraped."""
        return self.ask('count_over_time(up{job="runtime"}[5m])').get("", 0)


@pytest.fixture
def target() -> Iterator[str]:
    """A runtime that nobody has asked anything yet."""
    with running() as process:
        yield process.wait_ready()


@pytest.fixture
def prometheus(target: str, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes it every second."""
    port = free_port()
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG.format(target=target.removeprefix("http://")))
    command = [
        program("PROMETHEUS"),
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
        client = Prometheus(http)
        with started(command, tmp_path / "prometheus.log", client.is_ready):
            yield client


def test_the_five_queries(prometheus: Prometheus, target: str, row: dict[str, float]) -> None:
    """Each endpoint's rate, the share that failed, the latency, the statuses, the model."""
    _until(lambda: prometheus.scrapes() >= 2)
    _ask_every_endpoint(target, row)
    done = prometheus.scrapes()
    _until(lambda: prometheus.scrapes() >= done + 3)

    rates = prometheus.ask(BY_ENDPOINT)
    assert set(rates) == {"predict", "batch-predict", "invocations", "v1", "v2"}
    assert all(rate > 0 for rate in rates.values())
    # 5 endpoints were asked 4 times, and 2 of the 20 requests were broken.
    assert prometheus.ask(FAILED_PERCENT)[""] == pytest.approx(10)
    latencies = prometheus.ask(P95)
    assert set(latencies) == set(rates)
    assert all(0 < seconds < 1 for seconds in latencies.values())
    statuses = prometheus.ask(BY_STATUS)
    assert statuses["200"] == pytest.approx(9 * statuses["400"])
    assert statuses["400"] > 0
    assert prometheus.ask(LOADED) == {"": 1}


def _ask_every_endpoint(target: str, row: dict[str, float]) -> None:
    values = list(row.values())
    tensor = {"name": "x", "shape": [1, len(values)], "datatype": "FP64", "data": values}
    bodies: dict[str, Any] = {
        "/predict": row,
        "/batch-predict": {"records": [row]},
        "/invocations": {"inputs": [values]},
        "/v1/models/breast-cancer:predict": {"instances": [values]},
        "/v2/models/breast-cancer/infer": {"inputs": [tensor]},
    }
    with httpx.Client(base_url=target) as client:
        for path, body in bodies.items():
            broken = 1 if path in ("/predict", "/invocations") else 0
            for i in range(4):
                answer = client.post(path, json={} if i < broken else body)
                assert answer.status_code == (400 if i < broken else 200)


def _until(condition: Any) -> None:
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.2)
