"""Turns the verified bytes of a model file into an estimator."""

import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from modelserver_runtime.errors import ModelLoadFailed, UnsafeFormat
from modelserver_runtime.formats.joblib_file import parse_joblib
from modelserver_runtime.formats.onnx_file import parse_onnx
from modelserver_runtime.formats.skops_file import parse_skops
from modelserver_runtime.lean_imports import import_scikit_learn, import_skops

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it reads no such file either
    LZMAError = zlib.error  # type: ignore[misc, assignment]


def parse(content: bytes, format_: str, path: str) -> Any:
    """
    Parse *content*, the verified bytes of the file called *path*.

    Raises:
        UnsafeFormat: the file names types or operators outside the allow-list.
        ModelLoadFailed: the file is damaged, or of another format.
        MemoryError: there is not enough of it.
    """
    parser = _PARSERS.get(format_)
    if parser is None:
        raise UnsafeFormat(f"{path} has the format {format_!r}, which this runtime does not load")
    try:
        return parser(content)
    except (UnsafeFormat, ModelLoadFailed):
        raise
    except _DAMAGED as error:
        why = str(error) or type(error).__name__
        raise ModelLoadFailed(f"{path} is no {format_} file that can be loaded: {why}") from error


def import_for(format_: str) -> None:
    """
    Import what parsing and asking a model of this format takes: most of a second.

    Apart from `parse`, because libraries take memory that is not the model's.
    """
    import_scikit_learn()
    if format_ == "skops":
        import_skops()
    if format_ == "onnx":
        import onnxruntime  # noqa: F401, PLC0415 - the purpose
    from modelserver_runtime.engines import selection  # noqa: F401, PLC0415 - the purpose


_PARSERS: Mapping[str, Callable[[bytes], Any]] = {
    "skops": parse_skops,
    "onnx": parse_onnx,
    "joblib": parse_joblib,
}

# What zip, JSON, pickle and scikit-learn's own constructors raise for bytes that are not what
# they should be.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    pickle.UnpicklingError,
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ImportError,
    EOFError,
    OSError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
)
