"""The three modes of the container, and the compose file that uses two of them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from modelserver_runtime.container_mode import mlflow_command
from modelserver_runtime.errors import SettingError
from modelserver_runtime.settings import from_environment
from runtime.process import BUNDLED, ROOT
from runtime.programs import free_port, program, started

MLFLOW = "/opt/mlflow/bin/mlflow"


def arguments(**environ: str) -> tuple[str, ...] | None:
    """The command that takes over, on a machine with MLflow."""
    command = mlflow_command(environ, lambda _: MLFLOW)
    return None if command is None else command.arguments


SERVE = (MLFLOW, "models", "serve", "-m", "/m", "--env-manager", "local")
LOCAL = ("--host", "127.0.0.1", "--port")


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        pytest.param({}, None, id="the API is the default"),
        pytest.param({"SERVE_API": "true"}, None, id="the API"),
        pytest.param(
            {"SERVE_API": "true", "SERVE_MODEL": "true"}, None, id="the API before a model"
        ),
        pytest.param(
            {"SERVE_API": "False", "SERVE_MODEL": "True", "SERVE_MODEL_PATH": "/m"},
            (*SERVE, *LOCAL, "8000"),
            id="a model",
        ),
        pytest.param(
            {"SERVE_API": "false", "SERVE_MODEL": "false"},
            (MLFLOW, "server", *LOCAL, "5000"),
            id="tracking",
        ),
        pytest.param({"SERVE_API": "false"}, (MLFLOW, "server", *LOCAL, "5000"), id="no model"),
        pytest.param(
            {"SERVE_API": "0", "MODELSERVER_HOST": "0.0.0.0", "API_PORT": "81"},  # noqa: S104
            (MLFLOW, "server", "--host", "0.0.0.0", "--port", "81"),  # noqa: S104
            id="host and port",
        ),
    ],
)
def test_the_mode_is_told_by_two_variables(
    environ: dict[str, str], want: tuple[str, ...] | None
) -> None:
    """The first that is true decides."""
    assert arguments(**environ) == want


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"SERVE_API": "maybe"}, "SERVE_API is 'maybe', which is neither true nor false"),
        ({"SERVE_API": "false", "SERVE_MODEL": "true"}, "needs SERVE_MODEL_PATH"),
    ],
)
def test_what_is_no_mode_is_refused(environ: dict[str, str], says: str) -> None:
    """With the variable that is wrong."""
    with pytest.raises(SettingError, match=says):
        arguments(**environ)


@pytest.mark.parametrize(
    "environ",
    [
        {"SERVE_API": "false"},
        {"SERVE_API": "false", "SERVE_MODEL": "true", "SERVE_MODEL_PATH": str(BUNDLED)},
    ],
)
def test_without_mlflow_the_process_says_so_and_ends(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Exit code 64, as for every wrong setting."""
    clean = {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT / "server")}
    done = subprocess.run(
        [sys.executable, "-m", "modelserver_runtime"],
        env=clean | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 64
    assert "build the image with --target mlflow" in done.stderr
    assert "Traceback" not in done.stderr


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _environment(port: int, **more: str) -> dict[str, str]:
    """The image's, with MLflow in another place than the runtime's own programs."""
    folder = str(Path(program("MLFLOW")).parent)
    return {
        "PATH": f"{os.environ['PATH']}:{folder}",
        "PYTHONPATH": str(ROOT / "server"),
        "MODELSERVER_PORT": str(port),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "SERVE_API": "false",
        **more,
    }


@pytest.mark.programs
@pytest.mark.timeout(600)
def test_a_model_in_mlflows_own_server(tmp_path: Path, row: dict[str, float]) -> None:
    """The second mode, for real."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = _environment(port, SERVE_MODEL="true", SERVE_MODEL_PATH=str(BUNDLED))
    command = [sys.executable, "-m", "modelserver_runtime"]
    with started(command, tmp_path / "log", lambda: _answers(f"{url}/ping"), **environ):
        answer = httpx.post(f"{url}/invocations", json={"inputs": row}, timeout=60)
        assert answer.json() == {"predictions": [0]}


@pytest.mark.programs
@pytest.mark.timeout(600)
def test_mlflows_tracking_server(tmp_path: Path) -> None:
    """The third mode, for real: it knows its default experiment."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # One worker instead of four: each imports half a gigabyte.
    environ = _environment(port, SERVE_MODEL="false", MLFLOW_WORKERS="1")
    command = [sys.executable, "-m", "modelserver_runtime"]
    with started(command, tmp_path / "log", lambda: _answers(f"{url}/health"), **environ):
        found = httpx.post(
            f"{url}/api/2.0/mlflow/experiments/search", json={"max_results": 5}, timeout=60
        )
        assert [e["name"] for e in found.json()["experiments"]] == ["Default"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file's services."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


def test_compose_starts_the_api_with_a_model_it_cannot_change(compose: dict[str, Any]) -> None:
    """And asks whether it is ready."""
    api = compose["api"]
    settings = from_environment(api["environment"])
    source, target, mode = api["volumes"][0].split(":")
    assert mlflow_command(api["environment"]) is None
    assert (str(settings.model_path), mode) == (target, "ro")
    assert (ROOT / source / "manifest.json").exists()
    assert "/ready" in api["healthcheck"]["test"][-1]
    assert api["ports"] == [f"127.0.0.1:{settings.port}:{settings.port}"]


def test_compose_starts_the_tracking_server(compose: dict[str, Any]) -> None:
    """From the image that has MLflow."""
    service = compose["mlflow"]
    assert service["build"]["target"] == "mlflow"
    assert arguments(**service["environment"]) == (MLFLOW, "server", *LOCAL, "5000")
    stages = [
        line.split()[-1]
        for line in (ROOT / "Dockerfile.server").read_text().splitlines()
        if line.startswith("FROM ")
    ]
    assert "mlflow" in stages
    assert stages[-1] == "runtime"  # without --target, the small image is built
