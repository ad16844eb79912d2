"""A machine that lacks something is told in one sentence what, and how to get it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = "apt-get awk bash cat cut date dirname env flock grep head id ip mkdir sed sleep timeout tr"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH with a shell's everyday programs only: no docker, no go, no kind."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in TOOLS.split():
        found = shutil.which(name)
        if found is not None:
            (programs / name).symlink_to(found)
    return programs


def run(script: str, machine: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the repository on that machine, with a home of its own."""
    home = str(machine.parent)
    defaults = {"PATH": str(machine), "HOME": home, "WORK": f"{home}/work"}
    return subprocess.run(
        [ROOT / script],
        env=defaults | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def docker_client(machine: Path, *, answers: bool) -> None:
    """Put a docker client there, with a daemon behind it or not."""
    docker = machine / "docker"
    docker.write_text(f"#!/bin/sh\nexit {0 if answers else 1}\n")
    docker.chmod(0o755)


def test_no_docker_daemon(machine: Path) -> None:
    """Where no daemon may be started, the sentence says what to do."""
    docker_client(machine, answers=False)
    nowhere = {"DOCKER_RUN": "/nowhere/x", "DOCKER_HOST": "unix:///nowhere/x/docker.sock"}
    done = run("tests/cluster/kind/up.sh", machine, START_DOCKERD="never", **nowhere)
    assert done.returncode != 0
    assert "Docker does not run here: install Docker Engine" in done.stderr


def test_a_docker_host_that_does_not_answer(machine: Path) -> None:
    """The address that was tried is named."""
    docker_client(machine, answers=False)
    done = run("tests/cluster/kind/up.sh", machine, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode != 0
    assert "Docker does not answer on unix:///nowhere/docker.sock" in done.stderr


def test_no_go_to_build_kind_with(machine: Path) -> None:
    """Kind is missing and cannot be built: either would do."""
    docker_client(machine, answers=True)
    done = run("tests/cluster/kind/up.sh", machine, DOCKER_HOST="unix:///answers/docker.sock")
    assert done.returncode != 0
    assert "kind is missing, and Go to build it too" in done.stderr
    assert "Go 1.26 or newer" in done.stderr


def test_no_python(machine: Path) -> None:
    """The development environment names the packages to install."""
    done = run("scripts/setup", machine, PYTHON="python-that-is-not-there")
    assert done.returncode != 0
    assert "Python is missing: install Python 3.11 or newer" in done.stderr


def test_no_package_index(machine: Path, tmp_path: Path) -> None:
    """A network that does not answer is told apart from a broken requirement."""
    copy = tmp_path / "checkout"
    for name in ("scripts/setup", "requirements-dev.txt", "operator/pyproject.toml"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    (copy / "server").mkdir()
    shutil.copy(ROOT / "server/pyproject.toml", copy / "server/pyproject.toml")
    python = {
        "PYTHON": shutil.which("python3") or "python3",
        "PATH": f"{machine}:{os.environ['PATH']}",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [copy / "scripts/setup"],
        env=os.environ | python,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode != 0
    assert "is a Python package index reachable?" in done.stderr


def test_no_browser_and_no_way_to_get_one(machine: Path) -> None:
    """Where apt-get is not there, the sentence says what to install."""
    (machine / "apt-get").unlink(missing_ok=True)
    done = run("scripts/test-programs", machine)
    assert done.returncode != 0
    assert "Chromium is missing: install chromium and chromedriver" in done.stderr
