"""Metrics under the names that dashboards rely on."""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

ENDPOINTS = {"predict", "batch-predict", "invocations", "v1", "v2"}


def parse(text: str) -> Series:
    """Every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(series: Series, name: str, labels: Mapping[str, str] | None = None) -> float:
    """One sample."""
    return series[name, frozenset((labels or {}).items())]


async def scrape(client: httpx.AsyncClient) -> Series:
    """What /metrics says now."""
    return parse((await client.get("/metrics")).text)


async def test_every_series_starts_at_zero_for_every_endpoint(client: httpx.AsyncClient) -> None:
    """An alert on the first failure needs the zero before it."""
    series = await scrape(client)
    for name in (
        "prediction_requests_successful",
        "prediction_requests_failed",
        "prediction_requests_successful_total",
        "prediction_requests_failed_total",
        "prediction_latency_seconds_count",
    ):
        found = {dict(labels)["endpoint"]: v for (n, labels), v in series.items() if n == name}
        assert found == dict.fromkeys(ENDPOINTS, 0.0)
    assert value(series, "prediction_requests_total", {"endpoint": "v2", "status": "200"}) == 0
    assert value(series, "model_loaded") == 1
    assert value(series, "api_uptime_seconds") >= 0


async def test_answers_are_counted_by_endpoint_and_status(
    client: httpx.AsyncClient, row: dict[str, float]
) -> None:
    """Failed is 400 and more; unknown paths are not counted."""
    await client.post("/predict", json=row)
    await client.post("/predict", json={})
    await client.get("/predict")
    await client.post("/predict/nothing")
    await client.post("/batch-predict", json={"records": [row] * 3})
    series = await scrape(client)
    for status, count in {"200": 1, "400": 1, "405": 1}.items():
        labels = {"endpoint": "predict", "status": status}
        assert value(series, "prediction_requests_total", labels) == count
    for suffix in ("", "_total"):
        endpoint = {"endpoint": "predict"}
        assert value(series, f"prediction_requests_successful{suffix}", endpoint) == 1
        assert value(series, f"prediction_requests_failed{suffix}", endpoint) == 2
    assert value(series, "prediction_latency_seconds_count", {"endpoint": "predict"}) == 3
    assert value(series, "prediction_batch_rows_sum") == 4
    assert value(series, "prediction_requests_in_flight") == 0


async def test_the_latency_buckets_of_the_contract_are_there(client: httpx.AsyncClient) -> None:
    """Finer and coarser ones beside them."""
    series = await scrape(client)
    bounds = {
        dict(labels)["le"]
        for (name, labels) in series
        if name == "prediction_latency_seconds_bucket"
    }
    assert {"0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1.0", "10.0", "+Inf"} <= bounds


async def test_the_format_is_plain_text_whatever_is_accepted(client: httpx.AsyncClient) -> None:
    """Prometheus asks for OpenMetrics first, where the bare names cannot exist."""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    for path in ("/metrics", "/prometheus-metrics"):
        answer = await client.get(path, headers={"accept": accept})
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "_created" not in answer.text


async def test_the_model_and_the_process_are_described(client: httpx.AsyncClient) -> None:
    """Which model, and what it costs."""
    series = await scrape(client)
    info = next(dict(labels) for (name, labels) in series if name == "model_info")
    assert set(info) == {"name", "version", "digest", "format", "engine", "engine_reason"}
    assert value(series, "process_resident_memory_bytes") > 0
