"""Which scikit-learn made a model, and which one is here."""

from importlib import metadata


def difference_from(made_by: str | None) -> str | None:
    """
    A sentence where *made_by* is another minor version of scikit-learn than the one installed.

    Within one, estimators are laid out in the same way.
    """
    ours = metadata.version("scikit-learn")
    if made_by is None or made_by.split(".")[:2] == ours.split(".")[:2]:
        return None
    return (
        f"the model was made by scikit-learn {made_by}, and this is {ours}: its answers may differ,"
        " so train it anew with this version, or use it with the other one"
    )
