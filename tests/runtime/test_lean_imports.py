"""A start imports what the model needs, and trusts no more than skops itself would."""

import importlib
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

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
    unused = {"pandas", "onnxruntime", "scipy.stats", "numpy.f2py"}
    assert not unused & {*modules}


def test_the_process_imports_no_tools_for_terminals() -> None:
    """Nor what only the command needs."""
    modules = run(
        "import json, sys, uvicorn\n"
        "from modelserver_runtime import __main__\n"
        "uvicorn.Server.run = lambda self: None\n"
        "__main__.main([])\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    tools = {"rich", "typer", "boto3", "urllib3", "model_signing", "requests"}
    assert tools & {*modules} == set()


def test_what_was_left_out_is_there_when_it_is_used() -> None:
    """A function of scipy.stats that scikit-learn has imported by name, and a method of one."""
    answers = run(
        "import json\n"
        "from modelserver_runtime.lean_imports import import_skops\n"
        "import_skops()\n"
        "from sklearn.metrics import label_ranking_average_precision_score as score\n"
        "from sklearn.preprocessing import QuantileTransformer\n"
        "import numpy as np, scipy.stats, numpy.f2py\n"
        "column = np.arange(20.0)[:, None]\n"
        "normal = QuantileTransformer(n_quantiles=20, output_distribution='normal')\n"
        "print(json.dumps([\n"
        "    score([[1, 0, 0], [0, 0, 1]], [[0.75, 0.5, 1], [1, 0.2, 0.1]]),\n"
        "    float(normal.fit_transform(column)[10, 0]),\n"
        "    float(scipy.stats.norm.ppf(10 / 19)),\n"
        "]))"
    )
    assert answers[0] == pytest.approx(5 / 12)
    assert answers[1] == pytest.approx(answers[2])
