"""`modelserver serve`: the runtime on this machine, with one artifact."""

import json
import os
import shlex
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from modelserver_runtime.artifact import Artifact
from modelserver_runtime.commands.folder import Folder, opened
from modelserver_runtime.commands.loaded import Formats
from modelserver_runtime.commands.terminal import OUT, printable

HOST = "127.0.0.1"


def serve(
    folder: Folder,
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8000,
    formats: Formats = None,
) -> None:
    """
    Serve an artifact on 127.0.0.1, as a pod would.

    Prints the address and a request that can be pasted. Other settings of the runtime are taken
    from the environment. Ctrl-C ends it.
    """
    artifact = opened(folder)
    port = port or _free_port()
    url = f"http://{HOST}:{port}"
    called = f"{artifact.manifest.name} {artifact.manifest.version}"
    OUT.print(printable(f"{called} on {url}, docs on {url}/docs"), soft_wrap=True)
    OUT.print(f"\n{request(artifact, url)}\n", soft_wrap=True)
    sys.stdout.flush()
    _become_the_runtime(environment(artifact, port, formats))


def request(artifact: Artifact, url: str) -> str:
    """A curl command that asks the model at *url* about one row."""
    body = printable(json.dumps(row_of(artifact), ensure_ascii=False))  # the same to a JSON parser
    return f"curl -s {url}/predict -H 'content-type: application/json' -d {shlex.quote(body)}"


def row_of(artifact: Artifact) -> dict[str, Any]:
    """One row that the model can be asked about: the first recorded example."""
    manifest = artifact.manifest
    if manifest.golden is not None:
        return dict(zip(manifest.signature.names, manifest.golden.rows[0], strict=True))
    return {f.name: "" if f.type == "string" else 0.0 for f in manifest.signature.features}


def environment(artifact: Artifact, port: int, formats: str | None) -> Mapping[str, str]:
    """The settings of the runtime, on top of those that the person has set."""
    given = {
        "MODELSERVER_MODEL_PATH": str(Path(artifact.folder).resolve()),
        "MODELSERVER_MODEL_DIGEST": artifact.digest,
        "MODELSERVER_HOST": HOST,
        "MODELSERVER_PORT": str(port),
        "MODELSERVER_ON_LOAD_FAILURE": "exit",
    }
    return os.environ | given | ({"MODELSERVER_MODEL_FORMATS": formats} if formats else {})


def _become_the_runtime(environ: Mapping[str, str]) -> NoReturn:
    """The same process goes on as the runtime, so that signals and exit codes are its own."""
    command = [sys.executable, "-m", "modelserver_runtime"]
    os.execve(sys.executable, command, dict(environ))  # noqa: S606 - no shell is wanted


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
