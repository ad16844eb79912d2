"""A start imports what the model needs, and trusts no more than skops itself would."""

import importlib
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np

from runtime.process import BUNDLED, ROOT

LISTS = (
    "PRIMITIVE_TYPE_NAMES",
    "CONTAINER_TYPE_NAMES",
    "SKLEARN_ESTIMATOR_TYPE_NAMES",
    "NUMPY_DTYPE_TYPE_NAMES",
    "NUMPY_UFUNC_TYPE_NAMES",
    "SCIPY_UFUNC_TYPE_NAMES",
    "NUMPY_RANDOM_BIT_GENERATOR_TYPE_NAMES",
)


def run(program: str) -> Any:
    """What a fresh Python prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT / "server"), "MODEL_PATH": str(BUNDLED)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout.splitlines()[-1])


def trusted(before: str) -> dict[str, set[str]]:
    """The lists that skops ends up with when *before* was run first."""
    found = run(
        f"{before}\nimport json, skops.io\nfrom skops.io import _trusted_types as t\n"
        f"print(json.dumps({{n: sorted(set(getattr(t, n))) for n in {LISTS}}}))"
    )
    return {name: set(types) for name, types in found.items()}


def test_our_list_of_trusted_types_is_that_of_skops() -> None:
    """But for more names of the same kind of functions: those that compute cell by cell."""
    ours = trusted("from modelserver_runtime.lean_imports import import_skops\nimport_skops()")
    theirs = trusted("")
    for name in LISTS:
        if "UFUNC" not in name:
            assert ours[name] == theirs[name], name
            continue
        assert theirs[name] <= ours[name]
        for path in ours[name] - theirs[name]:
            module, _, function = path.rpartition(".")
            found = getattr(importlib.import_module(module), function, None)
            assert found is None or isinstance(found, np.ufunc), path


def test_the_bundled_model_needs_neither_pandas_nor_onnxruntime() -> None:
    """Fifty megabytes that a linear model never asks for."""
    imported = run(
        "import json, sys\n"
        "from modelserver_runtime.loading import load\n"
        "from modelserver_runtime.settings import from_environment\n"
        "model = load(from_environment())\n"
        "print(json.dumps([model.engine.name, sorted(sys.modules)]))"
    )
    engine, modules = imported
    assert engine == "linear-folded"
    assert not {"pandas", "onnxruntime"} & {*modules}
