"""How other objects of the same namespace are named."""

from typing import Annotated, Final

from pydantic import Field

from modelserver_operator.api.wire import Wire, pattern

_OBJECT_NAME: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"

ObjectName = Annotated[
    str,
    Field(max_length=253),
    pattern(
        _OBJECT_NAME,
        "must be the name of an object in this namespace: lowercase letters, digits, '-' and '.'",
    ),
]

ClusterObjectName = Annotated[
    str,
    Field(max_length=253),
    pattern(
        _OBJECT_NAME,
        "must be the name of an object of the cluster: lowercase letters, digits, '-' and '.'",
    ),
]


class LocalReference(Wire):
    """An object in the namespace of the ModelServer."""

    name: ObjectName
    """Name of the object."""
