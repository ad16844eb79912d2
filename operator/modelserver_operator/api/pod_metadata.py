"""Labels and annotations of the pods."""

from pydantic import Field

from modelserver_operator.api.metadata import Annotations, Labels
from modelserver_operator.api.wire import Wire


class PodMetadata(Wire):
    """Labels and annotations that the pods have besides those of the operator."""

    labels: Labels = Field(default_factory=dict)
    """Labels of the pods; no selector of the operator uses them."""

    annotations: Annotations = Field(default_factory=dict)
    """Annotations of the pods, such as those that a mesh or a log collector understands."""
