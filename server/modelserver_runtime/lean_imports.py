"""Imports libraries without what a server never uses of them."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from modelserver_runtime.trusted_types import ESTIMATORS


@contextmanager
def _without(*modules: str) -> Iterator[None]:
    """Let imports not find *modules*, which they can do without."""
    hidden = [module for module in modules if module not in sys.modules]
    for module in hidden:
        sys.modules[module] = None  # type: ignore[assignment]  # Python's way to say "not there"
    try:
        yield
    finally:
        for module in hidden:
            del sys.modules[module]


def import_structlog() -> None:
    """Import structlog, but not rich: 4 MB for tracebacks in colour."""
    with _without("rich"):
        import structlog  # noqa: F401, PLC0415 - the purpose


def import_scikit_learn() -> None:
    """
    Import scikit-learn's core, see `_lean`.

    Models that were trained on DataFrames import pandas later, on their own account; scikit-learn
    finds it then.
    """
    if "sklearn.base" not in sys.modules:
        with _lean():
            import sklearn.base  # noqa: F401, PLC0415 - the purpose


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
        with _lean():
            import skops.io  # noqa: F401, PLC0415 - the purpose
    except BaseException:
        del sys.modules[_TRUST]
        raise


@contextmanager
def _lean() -> Iterator[None]:
    """
    Import without what is imported and then used by few models or none.

    * pandas: scikit-learn imports it wherever it is installed, to read ARFF files; 32 MB
    * rich: for progress bars of fits; 4 MB
    * scipy.stats: for a function here and there; 15 MB
    * NumPy's Fortran compiler: SciPy asks for whatever NumPy names; 3 MB
    """
    import numpy as np  # noqa: PLC0415 - with the others

    hides_f2py = "f2py" not in vars(np)
    if hides_f2py:
        np.f2py = None  # type: ignore[assignment]
    try:
        with _without("pandas", "rich"), _later("scipy.stats"):
            yield
    finally:
        if hides_f2py:
            del np.f2py


@contextmanager
def _later(module: str) -> Iterator[None]:
    """Let *module* be imported when something of it is used."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = _Unloaded(module)
    try:
        yield
    finally:
        del sys.modules[module]


class _Unloaded(ModuleType):
    """Stands in for a module."""

    def __getattr__(self, name: str) -> "_Named":
        if name.startswith("__"):
            raise AttributeError(name)
        return _Named(self.__name__, name)


class _Named:
    """Stands in for a function of a module, or for an object with methods."""

    def __init__(self, module: str, name: str) -> None:
        self._where = module, name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._it()(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._it(), name)

    def _it(self) -> Any:
        module, name = self._where
        return getattr(importlib.import_module(module), name)


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
    # Not by `dir` and `getattr`: that loads what NumPy loads only when it is asked for.
    return [name for name, value in sorted(vars(module).items()) if isinstance(value, kind)]
