"""The bundled model as data, as an application in this process, and as a process of its own."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import joblib
import pytest

from modelserver_runtime.settings import Settings, from_environment
from runtime.in_process import asked
from runtime.process import BUNDLED, running


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    """The bundled model's manifest."""
    return json.loads((BUNDLED / "manifest.json").read_text())


@pytest.fixture(scope="session")
def names(manifest: dict[str, Any]) -> list[str]:
    """The bundled model's features, in order."""
    return [feature["name"] for feature in manifest["signature"]["features"]]


@pytest.fixture
def row(manifest: dict[str, Any], names: list[str]) -> dict[str, float]:
    """A row that the bundled model takes."""
    return dict(zip(names, manifest["golden"]["rows"][3], strict=True))


@pytest.fixture(scope="session")
def estimator() -> Any:
    """scikit-learn's own bundled model, to compare with."""
    return joblib.load(BUNDLED / "model.joblib")


@pytest.fixture
def settings() -> Settings:
    """Settings for the bundled model."""
    return from_environment({"MODELSERVER_MODEL_PATH": str(BUNDLED)})


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The application in this process, its model loaded."""
    async with asked(settings) as client:
        yield client


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """A real server with the bundled model and default limits."""
    with running() as process:
        yield process.wait_ready()
