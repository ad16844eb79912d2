"""An estimator as the bytes of a model file, and the entries that pin bytes in a manifest."""

import hashlib
import io
import json
import platform
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import PurePosixPath
from typing import Any

import joblib
import skops.io

from modelserver_runtime.artifact import File
from modelserver_runtime.errors import NotPackable

_SCHEMA = "schema.json"
_FRAMEWORKS = ("scikit-learn", "numpy", "joblib", "skops")
_ONNX_FRAMEWORKS = ("numpy", "onnxruntime")


@dataclass(frozen=True)
class ModelFile:
    """One model file of an artifact."""

    path: str
    format: str
    content: bytes


def written(estimator: Any, format_: str, created: datetime) -> ModelFile:
    """
    Write *estimator* in a format.

    Raises:
        NotPackable: that format cannot hold it.
    """
    write = _WRITERS.get(format_)
    if write is None:
        raise NotPackable(
            f"{format_} files are taken as they are, not written: give one, or leave {format_} out"
        )
    try:
        content = write(estimator, created)
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
        other = "joblib" if format_ == "skops" else "skops"
        raise NotPackable(
            f"a {format_} file cannot hold this {type(estimator).__name__}: {error}; write {other}"
        ) from error
    return ModelFile(f"model.{format_}", format_, content)


def entry(path: str, content: bytes, format_: str | None = None) -> File:
    """What a manifest says about a file."""
    digest = hashlib.sha256(content).hexdigest()
    return File(path=path, sha256=digest, size=len(content), format=format_)


def framework_versions(formats: Collection[str]) -> dict[str, str]:
    """The versions that the answers may depend on."""
    frameworks = _ONNX_FRAMEWORKS if set(formats) == {"onnx"} else _FRAMEWORKS
    return {
        "python": platform.python_version(),
        **{framework: metadata.version(framework) for framework in frameworks},
    }


def _skops_bytes(estimator: Any, created: datetime) -> bytes:
    """
    A skops file in which nothing but the estimator decides.

    skops writes the time of day, and calls each part by the address it had in memory.
    """
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as made,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        schema = json.loads(made.read(_SCHEMA))
        renamed = _numbered(schema)
        content = {new: made.read(old) for old, new in renamed.items()}
        for name, body in {_SCHEMA: json.dumps(schema).encode(), **content}.items():
            info = zipfile.ZipInfo(name, created.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, body)
    return out.getvalue()


def _numbered(schema: Any) -> dict[str, str]:
    """Count the parts of *schema* in their order; returns the new name of each file."""
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}
    for node in _nodes(schema):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if isinstance(node.get("file"), str):
            old = node["file"]
            node["file"] = files.setdefault(old, f"{len(files) + 1}{PurePosixPath(old).suffix}")
    return files


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    inside = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for one in inside:
            yield from _nodes(one)


def _joblib_bytes(estimator: Any, created: datetime) -> bytes:
    del created  # joblib files carry no time
    out = io.BytesIO()
    joblib.dump(estimator, out)
    return out.getvalue()


_WRITERS: Mapping[str, Callable[[Any, datetime], bytes]] = {
    "skops": _skops_bytes,
    "joblib": _joblib_bytes,
}
