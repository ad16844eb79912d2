"""Which scikit-learn made a model, and which one is here."""

from collections.abc import Mapping
from importlib import metadata

from modelserver_runtime.errors import VersionMismatch

_SCIKIT_LEARN = "scikit-learn"


def require_same_scikit_learn(versions: Mapping[str, str], *, strict: bool) -> str | None:
    """
    Compare the version recorded in *versions* with the one installed here.

    Returns:
        A sentence about the difference, None where there is none.

    Raises:
        VersionMismatch: they differ, and *strict* asks for it.
    """
    made_by, ours = versions.get(_SCIKIT_LEARN), metadata.version(_SCIKIT_LEARN)
    if made_by is None or made_by == ours:
        return None
    sentence = (
        f"the model was made by scikit-learn {made_by}, and this is {ours}: its answers may differ,"
        " so train it anew with this version, or pack it with the other one"
    )
    if strict:
        raise VersionMismatch(sentence)
    return sentence
