"""The example with tokens and TLS, and the commands in its comment that make its Secrets."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "examples" / "secured.yaml"


def make_secrets(folder: Path, kubectl: str, environment: Mapping[str, str] = os.environ) -> None:
    """
    Run the commands in *folder*, where they leave the certificate and its key.

    Args:
        folder: empty.
        kubectl: the program that is called by this name, as text.
        environment: what the commands find.
    """
    program = folder / "kubectl"
    program.write_text(kubectl, encoding="utf-8")
    program.chmod(0o755)
    subprocess.run(
        ["bash", "-euc", _commands()],
        cwd=folder,
        env={**environment, "PATH": f"{folder}:{environment['PATH']}"},
        check=True,
        capture_output=True,
    )


def _commands() -> str:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("#   ") for line in lines if line.startswith("#   ")]
    return "\n".join(line for line in comment if not line.startswith("curl"))
