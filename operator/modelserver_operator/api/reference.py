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


Key = Annotated[
    str,
    Field(max_length=253),
    pattern(
        r"[-._a-zA-Z0-9]*[-_a-zA-Z0-9][-._a-zA-Z0-9]*",
        "must be a key of a Secret or a ConfigMap: letters, digits, '-', '_' and '.'",
    ),
]


class SecretKey(Wire):
    """One value of a Secret in the namespace of the ModelServer. The kubelet alone reads it."""

    name: ObjectName
    """Name of the Secret."""

    key: Key
    """Key whose value is taken."""


class ConfigMapKey(Wire):
    """One value of a ConfigMap in the namespace of the ModelServer."""

    name: ObjectName
    """Name of the ConfigMap."""

    key: Key
    """Key whose value is taken."""
