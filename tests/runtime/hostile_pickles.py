"""Pickles and joblib files, which are programs."""

import bz2
import functools
import gzip
import lzma
import os
import subprocess
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from runtime.artifact_make import Artifact
from runtime.hostile_artifact import (
    Calls,
    Hostile,
    Settings,
    X,
    Y,
    changed,
    dumped,
    lone,
    pickled,
    put,
    unloadable,
    unsafe,
)


class SetsState:
    """Unpickling it has its state set by a function, which is a program's call."""

    def __init__(self, canary: Path) -> None:
        self._command = ["mkdir", str(canary)]

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self._command,), -1, None, None, subprocess.call


class Overloads:
    """A class whose `predict` nobody should ask."""

    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __setstate__(self, state: dict[str, Any]) -> None:
        Path(state["canary"]).mkdir()

    def predict(self, rows: Any) -> Any:
        """Make the canary."""
        Path(self.canary).mkdir()
        return rows


def in_an_estimator(payload: Any) -> Any:
    """*payload* where a fitted estimator has a number."""
    estimator = LogisticRegression(max_iter=5000).fit(X[:, :2], Y)
    estimator.intercept_ = payload
    return estimator


def in_a_pipeline(payload: Any) -> Any:
    """*payload* as an attribute of a step."""
    return make_pipeline(in_an_estimator(payload))


PAYLOADS: Mapping[str, Callable[[Path], Any]] = {
    "os.system": lambda canary: Calls(os.system, f"mkdir {canary}"),
    "os.mkdir": lambda canary: Calls(os.mkdir, str(canary)),
    "subprocess": lambda canary: Calls(subprocess.check_call, ["mkdir", str(canary)]),
    "exec": lambda canary: Calls(exec, f"import os; os.mkdir({str(canary)!r})"),
    "eval": lambda canary: Calls(eval, f"__import__('os').mkdir({str(canary)!r})"),
    "a method": lambda canary: Calls(Path.mkdir, canary),
    "a partial": lambda canary: Calls(functools.partial(os.mkdir, str(canary))),
    "a state": SetsState,
    "a class of its own": Overloads,
    "an array of objects": lambda canary: np.array([Calls(os.mkdir, str(canary))], dtype=object),
    "a key": lambda canary: {"a": [{"b": (Calls(os.mkdir, str(canary)),)}]},
    "an estimator": lambda canary: in_an_estimator(Calls(os.mkdir, str(canary))),
    "a pipeline": lambda canary: in_a_pipeline(Calls(os.mkdir, str(canary))),
}

COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": functools.partial(lzma.compress, format=lzma.FORMAT_ALONE),
}


def hostile_pickles() -> Iterator[Hostile]:
    for name, payload in PAYLOADS.items():
        yield unsafe(
            f"joblib that nobody allowed: {name}",
            put("joblib", lambda canary, p=payload: dumped(p(canary))),
            "has joblib, but allowed are skops, onnx",
            has_payload=True,
        )
    for name, compress in COMPRESSIONS.items():
        content = lambda canary, c=compress: c(pickled(Calls(os.mkdir, str(canary))))  # noqa: E731 - used four times
        yield unsafe(
            f"joblib allowed and not pinned, {name}",
            put("joblib", content, model_formats="joblib"),
            "only when the artifact's digest is pinned",
            has_payload=True,
        )
        yield unloadable(
            f"pickle called skops, {name}",
            put("skops", content),
            "is no skops file",
            has_payload=True,
        )
        yield unloadable(
            f"pickle called onnx, {name}", put("onnx", content), "is no onnx file", has_payload=True
        )
        yield unsafe(
            f"lone joblib file, {name}",
            lone("model.joblib", content),
            "has no manifest.json beside it",
            has_payload=True,
        )
    yield unsafe(
        "lone pickle",
        lone("model.pkl", lambda canary: pickled(Calls(os.mkdir, str(canary)))),
        "ends in none of",
        has_payload=True,
    )
    yield changed(
        "payload put in after it was pinned",
        _swapped_payload,
        "model.joblib has sha256",
        has_payload=True,
    )
    yield changed(
        "payload, manifest and all, put in after it was pinned",
        _swapped_artifact,
        "is pinned",
        has_payload=True,
    )
    yield unsafe(
        "pickle of a format that is none", _pickle_format, "has pickle, but", has_payload=True
    )
    yield unsafe("pickle that is named", _named_pickle, "format 'pickle', which", has_payload=True)


def _swapped_payload(artifact: Artifact, canary: Path) -> Settings:
    pinned = artifact.digest
    artifact.path("model.joblib").write_bytes(dumped(Calls(os.mkdir, str(canary))))
    return {"model_formats": "joblib", "model_digest": pinned}


def _swapped_artifact(artifact: Artifact, canary: Path) -> Settings:
    pinned = artifact.digest
    artifact.put("joblib", dumped(Calls(os.mkdir, str(canary))))
    return {"model_formats": "joblib", "model_digest": pinned}


def _pickle_format(artifact: Artifact, canary: Path) -> None:
    artifact.put("pickle", pickled(Calls(os.mkdir, str(canary))))


def _named_pickle(artifact: Artifact, canary: Path) -> Settings:
    _pickle_format(artifact, canary)
    return {"model_path": str(artifact.path("model.pickle"))}
