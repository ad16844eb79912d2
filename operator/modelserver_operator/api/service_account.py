"""The identity of the pods."""

from pydantic import Field

from modelserver_operator.api.metadata import Annotations
from modelserver_operator.api.wire import Wire


class ServiceAccount(Wire):
    """The identity of the pods: a ServiceAccount of their own, without a token for the cluster."""

    annotations: Annotations = Field(default_factory=dict)
    """Annotations by which a cloud recognises the identity (workload identity)."""
