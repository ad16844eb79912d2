"""What a person writes: the spec of a ModelServer."""

from typing import Annotated, Final, Literal

from pydantic import Field

from modelserver_operator.api.model import Model
from modelserver_operator.api.reference import LocalReference
from modelserver_operator.api.resources import Resources
from modelserver_operator.api.wire import ListType, WhenAbsent, Wire, pattern

_IMAGE: Final = (
    r"([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[a-zA-Z0-9_][a-zA-Z0-9_.-]*)?(@sha256:[a-f0-9]{64})?"
)

Image = Annotated[
    str,
    Field(max_length=512),
    pattern(
        f"({_IMAGE})?",
        "must be an image reference such as ghcr.io/acme/runtime:1.2.0, without https:// and"
        " spaces, the repository in lowercase; or leave it out for the operator's image",
    ),
]


class ModelServerSpec(Wire):
    """What is wanted."""

    model: Model
    """Which model is served, and what it must be."""

    image: Annotated[Image, WhenAbsent("the operator's at the time of the last edit")] = ""
    """Image of the runtime. A newer operator changes it with the next edit, and restarts no pod."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When a node pulls the image."""

    image_pull_secrets: Annotated[
        tuple[LocalReference, ...], Field(max_length=16), ListType("map", key="name")
    ] = ()
    """Secrets with the credentials of the image's registry."""

    replicas: Annotated[
        Annotated[int, Field(ge=0, le=1000)] | None, WhenAbsent("2 at the start, then not touched")
    ] = None
    """
    Pods to run.

    Leave it out where an autoscaler of your own owns the number. `kubectl scale` writes this field.
    """

    resources: Resources = Resources(
        requests={"cpu": "250m", "memory": "256Mi"}, limits={"cpu": "500m", "memory": "512Mi"}
    )
    """What each pod asks for and may use. Taken as a whole: what you leave out of it is not set."""

    suspend: bool = False
    """Run no pods, keep everything else. The number of replicas is remembered."""
