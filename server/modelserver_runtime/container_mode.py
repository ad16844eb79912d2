"""
What the container runs: this API, a model in MLflow's own server, or MLflow's tracking server.

`SERVE_API=true` (the default) is this API; else `SERVE_MODEL=true` is `mlflow models serve` of
`SERVE_MODEL_PATH`; else it is the tracking server. MLflow is in the image only where it was built
with `--target mlflow`.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelserver_runtime.errors import SettingError

MODEL_PORT = "8000"
TRACKING_PORT = "5000"

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True)
class Command:
    """A program that takes this one's place."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    def run(self) -> None:
        """Become it; does not return."""
        os.execve(self.arguments[0], self.arguments, dict(self.environment))  # noqa: S606 - the point


def mlflow_command(
    environ: Mapping[str, str], find: Callable[[str], str | None] = shutil.which
) -> Command | None:
    """
    MLflow's program where *environ* asks for it; None for this API.

    Args:
        environ: the process's environment.
        find: path of a program.

    Raises:
        SettingError: a value that is neither true nor false, no model named, or MLflow is missing.
    """
    if _is_true("SERVE_API", environ, default=True):
        return None
    if not _is_true("SERVE_MODEL", environ, default=False):
        return _command(("server",), TRACKING_PORT, environ, find)
    model = environ.get("SERVE_MODEL_PATH")
    if not model:
        raise SettingError("SERVE_MODEL=true needs SERVE_MODEL_PATH, the model MLflow should serve")
    # In this environment: the image has what the model needs, and no network to fetch it anew.
    serve = ("models", "serve", "-m", model, "--env-manager", "local")
    return _command(serve, MODEL_PORT, environ, find)


def _command(
    arguments: tuple[str, ...],
    port: str,
    environ: Mapping[str, str],
    find: Callable[[str], str | None],
) -> Command:
    program = find("mlflow")
    if program is None:
        raise SettingError(
            f"SERVE_API=false asks for `mlflow {' '.join(arguments[:2])}`, but MLflow is not "
            "installed here: build the image with --target mlflow, or leave SERVE_API=true"
        )
    host = environ.get("MODELSERVER_HOST") or "127.0.0.1"
    port = environ.get("MODELSERVER_PORT") or environ.get("API_PORT") or port
    # MLflow starts programs of its own environment by their bare names.
    folder = str(Path(program).resolve().parent)
    path = os.pathsep.join((folder, environ.get("PATH", os.defpath)))
    return Command((program, *arguments, "--host", host, "--port", port), {**environ, "PATH": path})


def _is_true(name: str, environ: Mapping[str, str], *, default: bool) -> bool:
    given = environ.get(name, "").strip().lower()
    if not given:
        return default
    if given not in _TRUTH:
        raise SettingError(f"{name} is {environ[name]!r}, which is neither true nor false")
    return _TRUTH[given]
