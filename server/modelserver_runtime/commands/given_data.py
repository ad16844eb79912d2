"""Rows as a person has them in a file, brought into the shape that the model was trained on."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modelserver_runtime.engines.inputs import reads_texts
from modelserver_runtime.errors import NotPackable

_INDEX = "Unnamed: 0"
"""What pandas calls a first column without a name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenData:
    """
    Rows for a model.

    Args:
        rows: array or DataFrame, with the columns that the model was trained on.
        target: what the model should answer to each, where that is known.
        notes: sentences for the person.
    """

    rows: Any
    target: Any = None
    notes: Sequence[str] = field(default_factory=tuple)


def read_data(path: Path, estimator: Any, target: str | None) -> GivenData:
    """
    Read the rows in *path* for *estimator*.

    Args:
        path: a CSV, Parquet, .npy or .npz file.
        estimator: fitted; it knows how many columns it wants, and perhaps their names.
        target: the column, or the array of an .npz file, that the model should answer.

    Raises:
        NotPackable: it cannot be read, or does not fit the model.
    """
    read = next((r for suffix, r in _READERS.items() if path.name.endswith(suffix)), None)
    if read is None:
        raise NotPackable(f"{path} is no data file: give one of {', '.join(_READERS)}")
    try:
        data = read(path, target)
    except (ValueError, OSError, EOFError) as error:  # pandas' and NumPy's own are ValueErrors
        raise NotPackable(f"{path} cannot be read: {error}") from error
    if isinstance(data.rows, pd.DataFrame):
        return _fitted(data, estimator, path)
    return data


def _fitted(data: GivenData, estimator: Any, path: Path) -> GivenData:
    frame: pd.DataFrame = data.rows
    if reads_texts(estimator):
        if frame.shape[1] != 1:
            raise NotPackable(
                f"the model reads texts, one column, but {path} has {', '.join(frame.columns)}:"
                " keep the texts, and name the target if it is there"
            )
        return data
    trained = getattr(estimator, "feature_names_in_", None)
    if trained is None:
        return GivenData(rows=_one_type(frame), target=data.target)
    names = list(map(str, trained))
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise NotPackable(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}, which the"
            f" model was trained on; it has {', '.join(frame.columns)}"
        )
    extra = [name for name in frame.columns if name not in names]
    notes = [f"the model does not know the columns {', '.join(extra)}: left out"] if extra else []
    return GivenData(rows=frame[names], target=data.target, notes=notes)


def _one_type(frame: pd.DataFrame) -> pd.DataFrame:
    """A model that was trained on an array saw one type: whole numbers were floats to it."""
    if all(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes):
        return frame.astype(np.float64)
    return frame


def _of_frame(frame: pd.DataFrame, target: str | None) -> GivenData:
    frame.columns = frame.columns.map(str)
    if target is None:
        return GivenData(rows=frame)
    if target not in frame.columns:
        raise NotPackable(
            f"there is no column {target} to be the target: the data has {', '.join(frame.columns)}"
        )
    return GivenData(rows=frame.drop(columns=target), target=frame[target].to_numpy())


def _csv(path: Path, target: str | None) -> GivenData:
    frame = pd.read_csv(path, sep="\t" if ".tsv" in path.suffixes else ",", encoding="utf-8-sig")
    if all(_is_number(str(name)) for name in frame.columns):
        raise NotPackable(
            f"the first line of {path} has numbers where the names of the columns belong: add a"
            " line with names"
        )
    if frame.columns[0] == _INDEX:  # an index, as pandas writes it
        frame = frame.drop(columns=_INDEX)
    return _of_frame(frame, target)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parquet(path: Path, target: str | None) -> GivenData:
    try:
        frame = pd.read_parquet(io.BytesIO(path.read_bytes()))
    except ImportError:
        raise NotPackable(
            f"{path} is a Parquet file, and pyarrow, which reads it, is not installed: install it,"
            " or write CSV"
        ) from None
    return _of_frame(frame, target)


def _npy(path: Path, target: str | None) -> GivenData:
    if target is not None:
        raise NotPackable(
            f"{path} has no names, so no column can be the target: give CSV, or .npz with arrays"
            " X and y"
        )
    return GivenData(rows=np.load(path, allow_pickle=False))


def _npz(path: Path, target: str | None) -> GivenData:
    with np.load(path, allow_pickle=False) as arrays:
        names = list(arrays.files)
        wanted = target or next((name for name in ("y", "target") if name in names), None)
        rows = [name for name in names if name != wanted]
        if (wanted is not None and wanted not in names) or len(rows) != 1:
            raise NotPackable(
                f"{path} has the arrays {', '.join(names)}: name two, X with the rows and y with"
                " the target"
            )
        return GivenData(rows=arrays[rows[0]], target=None if wanted is None else arrays[wanted])


_READERS: Mapping[str, Callable[[Path, str | None], GivenData]] = {
    ".csv": _csv,
    ".csv.gz": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".npy": _npy,
    ".npz": _npz,
}
