"""Reads skops files: a zip of a schema and arrays, whose types must be on our list."""

import io
import zipfile
from typing import Any

from modelserver_runtime.errors import UnsafeFormat
from modelserver_runtime.lean_imports import import_skops
from modelserver_runtime.trusted_types import ESTIMATORS, PARTS

MAX_INFLATED_BYTES = 4 * 1024 * 1024 * 1024


def parse_skops(content: bytes) -> Any:
    """
    Make the estimator that *content* describes.

    Raises:
        UnsafeFormat: a type outside the list, a tree that leads out of its arrays, or far more
            bytes than the file has.
    """
    import_skops()
    import skops.io  # noqa: PLC0415 - a third of a second that only this format needs

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        inflated = sum(entry.file_size for entry in archive.infolist())
    if len(set(names)) != len(names):
        raise UnsafeFormat("the skops file holds two files of one name")
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
