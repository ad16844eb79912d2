"""Imports scikit-learn and skops without what most models never use."""

import sys


def import_scikit_learn() -> None:
    """
    Import scikit-learn's core, but not pandas.

    `sklearn.utils.fixes` imports pandas wherever it is installed, which is 32 MB and 0.2 seconds,
    and then uses it only to read ARFF files. Models that were trained on DataFrames import it
    later, on their own account; scikit-learn finds it then.
    """
    if "sklearn.utils.fixes" in sys.modules or "pandas" in sys.modules:
        return
    sys.modules["pandas"] = None  # type: ignore[assignment]  # Python's way to say "not there"
    try:
        import sklearn.utils.fixes  # noqa: F401, PLC0415 - the purpose
    finally:
        del sys.modules["pandas"]


def import_skops() -> None:
    """
    Import skops without all of scikit-learn.

    skops imports every module of scikit-learn to list its estimators; ours are in `trusted_types`.
    """
    if "skops.io" in sys.modules:
        return
    import_scikit_learn()
    import sklearn.utils  # noqa: PLC0415 - only now, without pandas

    everything = sklearn.utils.all_estimators
    sklearn.utils.all_estimators = list  # finds nothing
    try:
        import skops.io  # noqa: F401, PLC0415 - the purpose
    finally:
        sklearn.utils.all_estimators = everything
