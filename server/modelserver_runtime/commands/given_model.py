"""A model as a person has it: a file or folder, read only as far as it is trusted."""

import io
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

from modelserver_runtime import formats
from modelserver_runtime.artifact import MANIFEST
from modelserver_runtime.commands import mlflow_folder
from modelserver_runtime.errors import NotPackable, UnsafeFormat
from modelserver_runtime.packing import ModelFile, Sample

_PICKLED_SUFFIXES = (".joblib", ".pkl", ".pickle")
# A pickle of protocol 2 and newer, and what joblib compresses with: zlib, gzip, bz2, xz, lzma, lz4.
_PICKLED_STARTS = (
    b"\x80",
    b"\x78",
    b"\x1f\x8b",
    b"BZ",
    b"\xfd7zXZ",
    b"\x5d\x00\x00",
    b"\x04\x22M\x18",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenModel:
    """
    A model that was read.

    Args:
        name: what to call it where nobody says.
        files: model files that are taken as they are.
        other_files: files that go with it, by name.
        sample: what is known of its rows.
        made_by: the scikit-learn that made it, where another one is here.
    """

    estimator: Any
    name: str
    files: tuple[ModelFile, ...] = ()
    other_files: Mapping[str, bytes] = field(default_factory=dict)
    sample: Sample | None = None
    made_by: str | None = None


def read_model(path: Path, *, trust: bool) -> GivenModel:
    """
    Read a joblib, pickle, skops or ONNX file, or an MLflow model folder.

    Args:
        path: the file or folder.
        trust: run what a pickle holds; reading it is that.

    Raises:
        NotPackable: it is none of these.
        UnsafeFormat: it is a pickle, and not trusted; or a skops file that names strange types.
        ModelLoadFailed: it is damaged.
    """
    if not path.exists():
        raise NotPackable(f"{path} does not exist")
    if not path.is_dir():
        content = path.read_bytes()
        return _read(content, _format_of(content, path), path, trust=trust)
    if (path / mlflow_folder.DESCRIPTION).exists():
        return _read_mlflow(path, trust=trust)
    if (path / MANIFEST).exists():
        raise NotPackable(f"{path} is an artifact already: look at it with `modelserver inspect`")
    raise NotPackable(
        f"{path} is a folder without {mlflow_folder.DESCRIPTION}: give a model file, or an MLflow"
        " model folder"
    )


def _read(content: bytes, format_: str, path: Path, *, trust: bool) -> GivenModel:
    if format_ == "joblib" and not trust:
        raise UnsafeFormat(
            f"{path} is a pickle, and to read a pickle is to run what it holds: if you made it"
            " yourself, or trust who did, add --trust"
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = formats.parse(content, format_, path.name)
    versions = [
        str(w.message.original_sklearn_version)
        for w in caught
        if isinstance(w.message, InconsistentVersionWarning)
    ]
    # A pickle is read here for the last time: what is packed of it is written anew.
    files = () if format_ == "joblib" else (ModelFile(f"model.{format_}", format_, content),)
    made_by = versions[0] if versions else None
    return GivenModel(estimator=estimator, name=path.stem, files=files, made_by=made_by)


def _format_of(content: bytes, path: Path) -> str:
    """By what it holds; a name can be wrong."""
    if content.startswith(b"PK\x03\x04"):
        return _require_skops(content, path)
    if path.suffix == ".onnx":
        return "onnx"
    if path.suffix in _PICKLED_SUFFIXES or content.startswith(_PICKLED_STARTS):
        return "joblib"
    raise NotPackable(
        f"{path} is no model file: pack reads what joblib, pickle, skops or an ONNX converter wrote"
    )


def _require_skops(content: bytes, path: Path) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if "schema.json" in archive.namelist():
                return "skops"
    except zipfile.BadZipFile as error:
        raise NotPackable(f"{path} is a damaged zip file: {error}") from error
    raise NotPackable(f"{path} is a zip file, but not one that skops wrote")


def _read_mlflow(folder: Path, *, trust: bool) -> GivenModel:
    described = mlflow_folder.read(folder)
    path = folder / described.model_path
    content = path.read_bytes()
    model = _read(content, described.format, path, trust=trust)
    return replace(
        model,
        name=folder.name,
        files=(ModelFile(described.model_path, described.format, content),),
        other_files=described.other_files,
        sample=described.sample(model.estimator),
        made_by=model.made_by,
    )
