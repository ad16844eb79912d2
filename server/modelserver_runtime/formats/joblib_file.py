"""Reads joblib files, which are programs: `loading` lets only pinned ones come this far."""

import io
from typing import Any

from modelserver_runtime.lean_imports import import_scikit_learn


def parse_joblib(content: bytes) -> Any:
    """Run *content*; what it leaves behind is the estimator."""
    import_scikit_learn()
    import joblib  # noqa: PLC0415 - see lean_imports

    return joblib.load(io.BytesIO(content))
