"""No artifact runs anything or becomes Ready that is not what was pinned and packed."""

import contextlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import pytest

from modelserver_runtime.errors import LoadError
from modelserver_runtime.loading import load
from modelserver_runtime.settings import from_environment
from runtime.artifact_make import Artifact
from runtime.hostile_artifact import Calls, Hostile, dumped, pickled
from runtime.hostile_artifacts import hostile_artifacts
from runtime.hostile_pickles import COMPRESSIONS, PAYLOADS
from runtime.process import START_SECONDS, running

HOSTILE = list(hostile_artifacts())
EXIT_MODEL = 78


def settings_for(hostile: Hostile, folder: Path) -> dict[str, str]:
    """Make *hostile* below *folder*; returns the settings that have it loaded."""
    artifact = Artifact.copy(folder / "model")
    settings = hostile.spoil(artifact, folder / "executed")
    return {"model_path": str(artifact.folder), **(settings or {})}


def test_there_are_enough_of_them() -> None:
    """And each has a name of its own."""
    assert len(HOSTILE) >= 60
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_the_payloads_run_where_nobody_refuses_them(
    payload: Callable[[Path], Any], tmp_path: Path
) -> None:
    """Else it would say nothing that they did not."""
    content = dumped(payload(tmp_path / "executed"))
    with contextlib.suppress(TypeError):  # some leave nothing that an estimator could be made of
        joblib.load(io.BytesIO(content))
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_joblib_reads_each_compression(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """A payload in one is no less a program."""
    content = compress(pickled(Calls(os.mkdir, str(tmp_path / "executed"))))
    joblib.load(io.BytesIO(content))
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "hostile",
    [hostile for hostile in HOSTILE if not hostile.only_in_process_of_its_own],
    ids=lambda hostile: hostile.name,
)
def test_a_hostile_artifact_is_refused_with_its_reason(hostile: Hostile, tmp_path: Path) -> None:
    """And with the words that say what is wrong; nothing in it has run."""
    settings = settings_for(hostile, tmp_path)
    environ = {f"MODELSERVER_{name.upper()}": value for name, value in settings.items()}
    with pytest.raises(LoadError) as refused:
        load(from_environment(environ))
    assert not (tmp_path / "executed").exists()
    assert refused.value.reason == hostile.reason, str(refused.value)
    assert re.search(hostile.words, str(refused.value)), str(refused.value)


def chosen() -> Iterator[Hostile]:
    """The first of each reason, every third with a payload, and those that need it."""
    seen: dict[str, int] = {}
    for hostile in HOSTILE:
        kind = f"{hostile.reason} {hostile.has_payload}"
        seen[kind] = seen.get(kind, 0) + 1
        is_next = seen[kind] == 1 or (hostile.has_payload and seen[kind] % 3 == 0)
        if is_next or hostile.only_in_process_of_its_own:
            yield hostile


CHOSEN = list(chosen())


def ended(hostile: Hostile, folder: Path) -> tuple[int, str]:
    """The exit code of a runtime that was given *hostile*, and its last words."""
    log = folder / "termination-log"
    settings = settings_for(hostile, folder)
    with running(on_load_failure="exit", termination_log=str(log), **settings) as process:
        code = process.wait(START_SECONDS)
    assert not any(event.get("event") == "model loaded" for event in process.events())
    return code, log.read_text()


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future]]:
    """Real runtimes, two at a time, one for each."""
    folders = {hostile.name: tmp_path_factory.mktemp("hostile") for hostile in CHOSEN}
    with ThreadPoolExecutor(2) as pool:
        yield {each.name: pool.submit(ended, each, folders[each.name]) for each in CHOSEN}
    assert not [folder for folder in folders.values() if (folder / "executed").exists()]


@pytest.mark.parametrize("hostile", CHOSEN, ids=lambda hostile: hostile.name)
def test_a_real_runtime_ends_and_says_why(hostile: Hostile, endings: dict[str, Future]) -> None:
    """With the model's exit code, before it was ever ready."""
    code, words = endings[hostile.name].result()
    assert code == EXIT_MODEL
    told = json.loads(words)
    assert told["reason"] == hostile.reason, told
    assert re.search(hostile.words, told["message"]), told
