"""Imports scikit-learn and skops without what most models never use."""

import sys
from types import ModuleType

from modelserver_runtime.trusted_types import ESTIMATORS


def import_scikit_learn() -> None:
    """
    Import scikit-learn's core, but not pandas.

    `sklearn.utils.fixes` imports it wherever it is installed, which is 32 MB and 0.2 seconds, and
    then uses it only to read ARFF files. Models that were trained on DataFrames import it later, on
    their own account; scikit-learn finds it then.
    """
    if "sklearn.base" in sys.modules or "pandas" in sys.modules:
        return
    sys.modules["pandas"] = None  # type: ignore[assignment]  # Python's way to say "not there"
    try:
        import sklearn.base  # noqa: F401, PLC0415 - the purpose
    finally:
        del sys.modules["pandas"]


def import_skops() -> None:
    """
    Import skops with our list of the types it may trust.

    skops makes its own at each start, by importing every module of scikit-learn and looking for
    every function of SciPy in every module: most of a second. Ours is written down.
    """
    if "skops.io" in sys.modules:
        return
    import_scikit_learn()
    sys.modules[_TRUST] = _trusted_types()
    try:
        import skops.io  # noqa: F401, PLC0415 - the purpose
    except BaseException:
        del sys.modules[_TRUST]
        raise


_TRUST = "skops.io._trusted_types"


def _trusted_types() -> ModuleType:
    """What skops expects of the module that it would make."""
    import numpy as np  # noqa: PLC0415 - with the others
    from scipy import special  # noqa: PLC0415

    stand_in = ModuleType(_TRUST)
    # A function that SciPy hands on is written with the place it was found at first.
    places = ("scipy.special", "scipy.special._ufuncs", "scipy.special._special_ufuncs")
    dtypes = {f"numpy.{dtype.__name__}" for dtype in np.sctypeDict.values()}
    stand_in.__dict__.update(
        PRIMITIVE_TYPE_NAMES=[f"builtins.{name}" for name in ("int", "float", "str", "bool")],
        CONTAINER_TYPE_NAMES=[f"builtins.{name}" for name in ("list", "set", "map", "tuple")],
        SKLEARN_ESTIMATOR_TYPE_NAMES=sorted(ESTIMATORS),
        SKLEARN_INTERNAL_TYPE_NAMES=[],
        NUMPY_UFUNC_TYPE_NAMES=[f"numpy.{name}" for name in _functions_in(np, np.ufunc)],
        SCIPY_UFUNC_TYPE_NAMES=[
            f"{place}.{name}" for place in places for name in _functions_in(special, np.ufunc)
        ],
        NUMPY_DTYPE_TYPE_NAMES=sorted(dtypes),
        NUMPY_RANDOM_BIT_GENERATOR_TYPE_NAMES=[
            f"numpy.random.{name}" for name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
        ],
    )
    return stand_in


def _functions_in(module: ModuleType, kind: type) -> list[str]:
    return [name for name in dir(module) if isinstance(getattr(module, name), kind)]
