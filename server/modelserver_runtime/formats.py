"""Turns the bytes of a model file into an estimator, without running any of them."""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from modelserver_runtime.errors import ModelLoadFailed, UnsafeFormat
from modelserver_runtime.lean_imports import import_scikit_learn, import_skops
from modelserver_runtime.trusted_types import ESTIMATORS, PARTS

MAX_INFLATED_BYTES = 4 * 1024 * 1024 * 1024


def parse(content: bytes, format_: str, path: str) -> Any:
    """
    Parse *content*, the verified bytes of the file called *path*.

    Raises:
        UnsafeFormat: the file names types outside the allow-list.
        ModelLoadFailed: the file is damaged, or of another format.
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


def _parse_skops(content: bytes) -> Any:
    import_skops()
    import skops.io  # noqa: PLC0415 - a third of a second that only this format needs

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        inflated = sum(entry.file_size for entry in archive.infolist())
    if inflated > MAX_INFLATED_BYTES:
        raise UnsafeFormat(f"the skops file would inflate to {inflated} bytes")
    found = skops.io.get_untrusted_types(data=content)
    unknown = sorted(set(found) - ESTIMATORS - PARTS)
    if unknown:
        raise UnsafeFormat(f"the skops file uses types that are not allowed: {', '.join(unknown)}")
    estimator = skops.io.loads(content, trusted=found)
    from modelserver_runtime.soundness import require_sound  # noqa: PLC0415 - see above

    require_sound(estimator)
    return estimator


def _parse_joblib(content: bytes) -> Any:
    """Joblib files are programs: `loading` lets only pinned ones come this far."""
    import_scikit_learn()
    import joblib  # noqa: PLC0415 - see above

    return joblib.load(io.BytesIO(content))


_PARSERS: Mapping[str, Callable[[bytes], Any]] = {"skops": _parse_skops, "joblib": _parse_joblib}

# What zip, JSON, pickle and scikit-learn's own constructors raise for bytes that are not what
# they should be.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
    struct.error,
    MemoryError,  # a damaged length asks for more than there is
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
