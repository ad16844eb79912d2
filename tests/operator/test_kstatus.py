"""Flux and others read our conditions through kstatus: the real library says the same."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator.api import ModelServer
from modelserver_operator.conditions import Facts
from modelserver_operator.status import next_status
from status_cases import CASES
from workload_make import workload

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

Verdicts = Callable[[Iterable[dict[str, Any]]], list[str]]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    """Build the program that asks the library, and run it over objects."""
    program = ROOT / ".build" / "kstatus"
    if shutil.which("go"):  # builds what has changed, else returns at once
        subprocess.run(
            ["go", "build", "-o", str(program), "."],
            cwd=ROOT / "tests" / "kstatus",
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
        )
    assert program.exists(), "Go is needed to build tests/kstatus"

    def ask(objects: Iterable[dict[str, Any]]) -> list[str]:
        lines = "\n".join(json.dumps(body) for body in objects)
        done = subprocess.run(
            [program], input=lines, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.split()

    return ask


def reported(facts: Facts) -> dict[str, Any]:
    """Give the ModelServer with the status that *facts* call for."""
    body = make.server(generation=3)
    return body | {"status": next_status(body, ModelServer.parse(body), facts, NOON).patch}


def by_our_table(body: dict[str, Any]) -> str:
    """Ready=True is Current, Stalled=True is Failed, all else is InProgress."""
    status = {c["type"]: c["status"] for c in body["status"]["conditions"]}
    if status["Stalled"] == "True":
        return "Failed"
    return "Current" if status["Ready"] == "True" else "InProgress"


@pytest.mark.timeout(900)  # the first build downloads and compiles the library
def test_every_status_is_read_as_it_is_meant(verdicts):
    """One object for each case there is, so for each reason."""
    objects = [reported(case.facts) for case in CASES]
    want = {case.name: by_our_table(body) for case, body in zip(CASES, objects, strict=True)}
    found = dict(zip((case.name for case in CASES), verdicts(objects), strict=True))
    assert found == want
    assert set(want.values()) == {"Current", "Failed", "InProgress"}


@pytest.mark.timeout(900)
def test_an_edit_that_was_not_seen_yet_is_in_progress(verdicts):
    """Whatever the status says, it speaks of another generation."""
    objects = [reported(case.facts) for case in CASES]
    for body in objects:
        body["metadata"]["generation"] = 4
    assert set(verdicts(objects)) == {"InProgress"}


@pytest.mark.timeout(900)
def test_what_is_being_deleted_is_terminating(verdicts):
    """Also while its conditions are good."""
    body = reported(Facts(workload=workload()))
    body["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    assert verdicts([body]) == ["Terminating"]
