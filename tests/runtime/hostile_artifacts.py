"""Artifacts that somebody made to do harm, or that were broken on their way."""

from collections.abc import Iterator

from runtime.hostile_artifact import Hostile
from runtime.hostile_bombs import hostile_bombs
from runtime.hostile_files import hostile_bytes, hostile_folders, hostile_signatures
from runtime.hostile_manifests import hostile_manifests, hostile_models
from runtime.hostile_onnx import hostile_onnx
from runtime.hostile_pickles import hostile_pickles
from runtime.hostile_skops import hostile_skops


def hostile_artifacts() -> Iterator[Hostile]:
    """All of them."""
    yield from hostile_pickles()
    yield from hostile_skops()
    yield from hostile_onnx()
    yield from hostile_bytes()
    yield from hostile_manifests()
    yield from hostile_models()
    yield from hostile_folders()
    yield from hostile_signatures()
    yield from hostile_bombs()
