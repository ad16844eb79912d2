"""One artifact that somebody made to do harm, or that was broken on its way."""

import io
import os
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer

from runtime.artifact_make import Artifact

Settings = Mapping[str, str]
Spoil = Callable[[Artifact, Path], Settings | None]

MIB = 2**20
X, Y = load_breast_cancer(return_X_y=True)


@dataclass(frozen=True)
class Hostile:
    """
    One of them.

    Args:
        spoil: makes it of a copy of the bundled artifact. A payload in it makes the folder whose
            path is the second argument. Returns settings, named without their prefix.
        reason: that it is refused with.
        words: part of the sentence that says why; a regular expression.
        has_payload: something in it would run if anybody let it.
        only_in_process_of_its_own: it reaches for what the test's process should not risk.
    """

    name: str
    spoil: Spoil
    reason: str
    words: str
    has_payload: bool = False
    only_in_process_of_its_own: bool = False


def unsafe(name: str, spoil: Spoil, words: str, *, has_payload: bool = False) -> Hostile:
    """One that is refused with UnsafeFormat."""
    return Hostile(name, spoil, "UnsafeFormat", words, has_payload=has_payload)


def unloadable(name: str, spoil: Spoil, words: str, *, has_payload: bool = False) -> Hostile:
    """One that is refused with ModelLoadFailed."""
    return Hostile(name, spoil, "ModelLoadFailed", words, has_payload=has_payload)


def changed(name: str, spoil: Spoil, words: str, *, has_payload: bool = False) -> Hostile:
    """One that is refused with DigestMismatch."""
    return Hostile(name, spoil, "DigestMismatch", words, has_payload=has_payload)


def differing(name: str, spoil: Spoil, words: str, *, has_payload: bool = False) -> Hostile:
    """One that is refused with GoldenMismatch."""
    return Hostile(name, spoil, "GoldenMismatch", words, has_payload=has_payload)


def missing(name: str, spoil: Spoil, words: str, *, has_payload: bool = False) -> Hostile:
    """One that is refused with ModelNotFound."""
    return Hostile(name, spoil, "ModelNotFound", words, has_payload=has_payload)


def unsigned(name: str, spoil: Spoil, words: str, *, has_payload: bool = False) -> Hostile:
    """One that is refused with SignatureInvalid."""
    return Hostile(name, spoil, "SignatureInvalid", words, has_payload=has_payload)


class Calls:
    """Unpickling it calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


def put(format_: str, make: Callable[[Path], bytes], **settings: str) -> Spoil:
    """One model file, made with the canary's path."""

    def spoil(artifact: Artifact, canary: Path) -> Settings:
        artifact.put(format_, make(canary))
        return settings

    return spoil


def edit(change: Callable[[dict[str, Any]], Any], **settings: str) -> Spoil:
    """A changed manifest, not pinned."""

    def spoil(artifact: Artifact, _: Path) -> Settings:
        artifact.edit(change)
        return settings

    return spoil


def overwrite(name: str, content: bytes) -> Spoil:
    """Other bytes in one file."""
    return lambda artifact, _: artifact.path(name).write_bytes(content) and None


def lone(name: str, make: Callable[[Path], bytes]) -> Spoil:
    """A model file and nothing else."""

    def spoil(artifact: Artifact, canary: Path) -> Settings:
        path = artifact.folder.parent / name
        path.write_bytes(make(canary))
        return {"model_path": str(path)}

    return spoil


def pickled(payload: Any, protocol: int = 4) -> bytes:
    """A program for the unpickler."""
    return pickle.dumps(payload, protocol)


def dumped(payload: Any) -> bytes:
    """A joblib file."""
    out = io.BytesIO()
    joblib.dump(payload, out)
    return out.getvalue()


def saved(canary: Path) -> bytes:
    """A NumPy file of objects, which is a pickle behind a header."""
    out = io.BytesIO()
    np.save(out, np.array([Calls(os.mkdir, str(canary))], dtype=object), allow_pickle=True)
    return out.getvalue()
