"""A load that hangs ends in a word within its time, also where Python itself stands still."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import pytest

from runtime.artifact_make import Artifact
from runtime.process import ROOT, START_SECONDS, running

SECONDS = 2.0
EXIT_MODEL = 78


class Holds:
    """Unpickling it adds up numbers for a day, in C, without letting any other thread run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return sum, (range(10**14),)


class Sleeps:
    """Unpickling it takes a day, in which other threads run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return time.sleep, (86_400,)


def pinned(folder: Path, payload: object) -> dict[str, str]:
    """Settings that have *payload* loaded as a joblib file."""
    artifact, content = Artifact.copy(folder), io.BytesIO()
    joblib.dump(payload, content)
    artifact.put("joblib", content.getvalue())
    return {
        "model_path": str(artifact.folder),
        "model_digest": artifact.digest,
        "model_formats": "joblib",
        "load_timeout_seconds": str(SECONDS),
    }


@pytest.mark.parametrize("on_load_failure", ["serve", "exit"])
def test_code_that_holds_the_interpreter_ends_the_process(
    on_load_failure: str, tmp_path: Path
) -> None:
    """Nothing of Python's can run any more: not even to say that the model is not there."""
    log = tmp_path / "termination-log"
    settings = pinned(tmp_path / "model", Holds())
    with running(on_load_failure=on_load_failure, termination_log=str(log), **settings) as process:
        process.url()
        assert process.wait(START_SECONDS) == EXIT_MODEL
        want = {"reason": "LoadTimeout", "message": "the model was not loaded within 2 seconds"}
        assert json.loads(log.read_text()) == want
        assert want in process.events()


def test_code_that_only_waits_ends_it_in_order(tmp_path: Path) -> None:
    """The event loop still runs, and the last words are written once."""
    log = tmp_path / "termination-log"
    settings = pinned(tmp_path / "model", Sleeps())
    with running(on_load_failure="exit", termination_log=str(log), **settings) as process:
        assert process.wait(START_SECONDS) == EXIT_MODEL
        assert json.loads(log.read_text())["reason"] == "LoadTimeout"
        assert any(event["event"] == "model not loaded" for event in process.events())


def test_where_it_serves_on_it_says_so(tmp_path: Path) -> None:
    """The watchdog lets go once the event loop has told the failure."""
    settings = pinned(tmp_path / "model", Sleeps())
    with running(on_load_failure="serve", **settings) as process:
        process.wait_until(
            lambda: any(event["event"] == "model not loaded" for event in process.events())
        )
        time.sleep(4)  # longer than the watchdog would wait
        process.terminate()
        assert process.wait() == 0


def test_an_end_that_was_decided_comes() -> None:
    """Where a load that was given up holds the interpreter while the process ends in order."""
    program = (
        "from modelserver_runtime.watchdog import end_after\n"
        "end_after(0.5, 78)\n"
        "sum(range(10**14))\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT / "server")}
    done = subprocess.run([sys.executable, "-c", program], env=env, check=False, timeout=60)
    assert done.returncode == EXIT_MODEL
