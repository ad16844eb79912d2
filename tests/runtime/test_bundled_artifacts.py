"""The artifacts in this repository: made again by their scripts, verified, and served."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelserver_runtime.settings import from_environment
from runtime.command import modelserver
from runtime.in_process import asked
from runtime.process import ROOT, running

ARTIFACTS = ROOT / "artifacts"
SCRIPTS = {
    "model": "make_breast_cancer.py",
    "diabetes": "make_diabetes.py",
    "support-tickets": "make_support_tickets.py",
}
MAX_BYTES = 300_000


def manifest(folder: Path) -> dict[str, Any]:
    """What the artifact says of itself."""
    return json.loads((folder / "manifest.json").read_text())


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Every place in *value* that has something, without what is there."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from keys(below, f"{path}.{name}")
    elif isinstance(value, list):
        for i, below in enumerate(value):
            yield from keys(below, f"{path}[{i}]")
    else:
        yield path


@pytest.mark.parametrize("name", SCRIPTS)
def test_its_script_makes_it_again(name: str, tmp_path: Path) -> None:
    """The same keys, the same rows, the same answers to 1e-9."""
    subprocess.run(
        [sys.executable, ARTIFACTS / SCRIPTS[name], tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT / "server")},
        check=True,
        capture_output=True,
    )
    ours, again = manifest(ARTIFACTS / name), manifest(tmp_path)
    assert list(keys(again)) == list(keys(ours))
    assert again["created"] == ours["created"]
    assert again["signature"] == ours["signature"]
    assert again["golden"]["rows"] == ours["golden"]["rows"]
    for answers in ("predictions", "probabilities"):
        mine, theirs = ours["golden"].get(answers), again["golden"].get(answers)
        if isinstance(np.ravel(mine or [0])[0], str):
            assert mine == theirs
        elif mine is not None:
            assert np.abs(np.array(mine) - theirs).max() <= 1e-9


@pytest.mark.parametrize("name", SCRIPTS)
async def test_it_is_verified_and_small_and_answers_as_recorded(name: str) -> None:
    """As a pod would find it."""
    done = modelserver("verify", ARTIFACTS / name)
    assert done.code == 0, done.err
    assert sum(path.stat().st_size for path in (ARTIFACTS / name).iterdir()) < MAX_BYTES
    described = manifest(ARTIFACTS / name)
    names = [feature["name"] for feature in described["signature"]["features"]]
    rows = described["golden"]["rows"]
    async with asked(from_environment({"MODEL_PATH": str(ARTIFACTS / name)})) as client:
        records = [dict(zip(names, row, strict=True)) for row in rows]
        answer = (await client.post("/batch-predict", json={"records": records})).json()
    got = [one["prediction"] for one in answer["predictions"]]
    want = described["golden"]["predictions"]
    assert got == (want if isinstance(want[0], str) else pytest.approx(want, rel=1e-9))


@pytest.mark.parametrize("name", ["diabetes", "support-tickets"])
def test_the_request_in_its_example_is_answered(name: str) -> None:
    """The command as it stands there, but for the address."""
    _, _, command = (ROOT / "examples" / f"{name}.yaml").read_text().partition("#   curl ")
    command, _, _ = command.replace("\n# ", "\n").partition("\napiVersion")
    with running(model_path=str(ARTIFACTS / name)) as process:
        there = command.replace("http://127.0.0.1:8080", process.wait_ready())
        done = subprocess.run(
            ["bash", "-c", f"curl --silent {there}"], capture_output=True, check=True, text=True
        )
    assert "prediction" in json.loads(done.stdout), done.stdout


def test_every_artifact_has_a_script() -> None:
    """And every script its artifact."""
    assert {path.name for path in ARTIFACTS.iterdir() if path.is_dir()} - {"__pycache__"} == {
        *SCRIPTS
    }
    assert {path.name for path in ARTIFACTS.glob("*.py")} == {*SCRIPTS.values()}
