"""Liveness, readiness and what the model says of itself."""

from typing import Any

import httpx
import pytest

from modelserver_runtime.app import RuntimeApp, create_app
from modelserver_runtime.model import ServedModel
from modelserver_runtime.settings import Settings, from_environment


def client_of(app: RuntimeApp) -> httpx.AsyncClient:
    """A client of *app* in this process."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://runtime")


async def test_health_says_whether_a_model_is_loaded(client: httpx.AsyncClient) -> None:
    """With the fields of the contract."""
    health = (await client.get("/health")).json()
    assert health["status"] == "healthy"
    assert health["model_loaded"] is True
    assert set(health) == {"status", "version", "model_loaded", "timestamp"}


async def test_before_the_model_is_loaded_only_liveness_is_well(settings: Settings) -> None:
    """Ready, ping and predictions wait for the model."""
    async with client_of(create_app(settings)) as client:
        assert (await client.get("/health")).json()["model_loaded"] is False
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "Loading")
        assert (await client.get("/ping")).status_code == 404
        assert "model_loaded 0.0" in (await client.get("/metrics")).text
        assert (await client.get("/v1/models")).json() == {"models": []}
        assert (await client.get("/v2/health/live")).json() == {"live": True}
        not_ready = await client.get("/v2/health/ready")
        assert (not_ready.status_code, not_ready.json()) == (503, {"ready": False})
        for path in ("/v1/models/m", "/v2/models/m", "/v2/models/m/ready", "/model/metadata"):
            assert (await client.get(path)).status_code == 503
        assert (await client.get("/docs")).status_code == 200
        assert "/predict" not in (await client.get("/openapi.json")).json()["paths"]
        for path in (
            "/predict",
            "/batch-predict",
            "/invocations",
            "/v1/models/m:predict",
            "/v2/models/m/infer",
        ):
            answer = await client.post(path, json={})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["error"] == "Model not ready"


class Unheard(Exception):
    """What a library raises that has errors of its own."""


@pytest.mark.parametrize("error", [Unheard, ImportError, AssertionError, MemoryError])
async def test_whatever_loading_raises_is_told(settings: Settings, error: type[Exception]) -> None:
    """Or the process would say that it loads for ever."""

    def load(_: Settings) -> ServedModel:
        raise error("not for clients")

    app = create_app(settings, load=load)
    await app.serving.start()
    assert app.serving.not_ready_reason() == "ModelLoadFailed"
    assert str(app.serving.failure) == f"loading broke with {error.__name__}"


async def test_a_missing_model_is_a_404_on_prediction_routes() -> None:
    """The file is not there, and waiting will not help."""
    app = create_app(from_environment({"MODEL_PATH": "/nowhere/model.skops"}))
    await app.serving.start()
    async with client_of(app) as client:
        assert (await client.get("/ready")).json()["reason"] == "ModelNotFound"
        answer = await client.post("/predict", json={})
        assert (answer.status_code, answer.json()["error"]) == (404, "Model not found")


async def test_a_draining_server_is_not_ready_and_still_predicts(
    settings: Settings, row: dict[str, float]
) -> None:
    """Draining is never a 503 for a prediction."""
    app = create_app(settings)
    await app.serving.start()
    app.serving.draining = True
    async with client_of(app) as client:
        assert (await client.get("/ready")).json()["reason"] == "Draining"
        assert (await client.post("/predict", json=row)).status_code == 200


async def test_metadata_names_the_model_and_its_origin(
    client: httpx.AsyncClient, manifest: dict[str, Any]
) -> None:
    """Quality, classes as strings, digest, engine."""
    metadata = (await client.get("/model/metadata")).json()
    assert metadata["name"] == "breast-cancer"
    assert metadata["version"] == "1.0.0"
    assert metadata["accuracy"] == manifest["metrics"]["accuracy"] > 0.95
    assert metadata["f1_score"] == manifest["metrics"]["f1_score"] > 0.95
    assert metadata["classes"] == ["malignant", "benign"]
    assert metadata["n_features"] == 30
    assert metadata["digest"].startswith("sha256:")


async def test_features_come_in_order_with_title_and_range(client: httpx.AsyncClient) -> None:
    """The human titles of the 30 measurements."""
    features = (await client.get("/model/features")).json()["features"]
    assert [f["name"] for f in features] == [f"feature_{i}" for i in range(1, 31)]
    assert features[0]["title"] == "mean radius"
    assert features[0]["minimum"] < features[0]["maximum"]


@pytest.mark.parametrize("path", ["/", "/version", "/ping"])
async def test_small_routes_answer(client: httpx.AsyncClient, path: str) -> None:
    """Each with 200."""
    assert (await client.get(path)).status_code == 200


async def test_unknown_routes_and_methods_speak_our_error_format(
    client: httpx.AsyncClient,
) -> None:
    """404 and 405 as everywhere."""
    for answer, status in (
        (await client.get("/nope"), 404),
        (await client.post("/health"), 405),
        (await client.get("/docs-assets/../../etc/passwd"), 404),
    ):
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "details", "timestamp", "request_id"}
