"""Metrics and health on a port of their own, which clients need not reach."""

import socket

import httpx
import pytest

from runtime.process import running


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_each_port_serves_its_own_routes_and_no_other(row: dict[str, float]) -> None:
    """What has moved is gone from the API's port."""
    port = free_port()
    with running(metrics_port=str(port)) as process:
        api, own = process.url(), f"http://127.0.0.1:{port}"
        process.wait_until(lambda: httpx.get(f"{own}/ready").status_code == 200)
        for path in ("/health", "/ready", "/metrics", "/prometheus-metrics"):
            assert httpx.get(f"{own}{path}").status_code == 200
            assert httpx.get(f"{api}{path}").status_code == 404
        for path in ("/docs", "/model/metadata", "/"):
            assert httpx.get(f"{api}{path}").status_code == 200
            assert httpx.get(f"{own}{path}").status_code == 404
        assert httpx.post(f"{api}/predict", json=row).status_code == 200
        assert httpx.post(f"{own}/predict", json=row).status_code == 404
        metrics = httpx.get(f"{own}/metrics").text
        assert 'prediction_requests_total{endpoint="predict",status="200"} 1.0' in metrics


def test_a_port_that_is_taken_ends_the_process() -> None:
    """And the log says which."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(metrics_port=str(port)) as process:
            assert process.wait() == 3
            assert [e["port"] for e in process.events() if e["event"] == "port cannot be opened"]


@pytest.mark.parametrize("same", ["8000"])
def test_the_apis_own_port_is_no_other_port(same: str) -> None:
    """Refused before anything listens."""
    with running(port=same, metrics_port=same) as process:
        assert process.wait() == 64
        assert "MODELSERVER_METRICS_PORT" in process.stderr[-1]
