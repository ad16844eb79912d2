"""Parts of the spec that are Kubernetes' own types, handed on as a user wrote them."""

from typing import Any, Final

_KEYS_ARE_THE_USERS: Final = frozenset({"matchLabels", "nodeSelector", "labels", "annotations"})


def handed_on(value: Any) -> Any:
    """
    Copy *value*, less what the API server would not store: empty lists, texts and maps of labels.

    They mean the same as nothing there, and would look like a difference for ever. An empty object
    stays: `podSelector: {}` is every pod.
    """
    if isinstance(value, list | tuple):
        return [handed_on(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: dict(part) if name in _KEYS_ARE_THE_USERS else handed_on(part)
        for name, part in value.items()
        if part not in (None, "", [], ()) and not (part == {} and name in _KEYS_ARE_THE_USERS)
    }
