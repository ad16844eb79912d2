"""What the operator says of a ModelServer: its status."""

from typing import Annotated, Literal

from pydantic import Field

from modelserver_operator.api.wire import ListType, Wire

_Count = Annotated[int, Field(ge=0, le=2_147_483_647)]
_Text = Annotated[str, Field(max_length=1024)]


class Condition(Wire):
    """One fact about the ModelServer."""

    type: Annotated[str, Field(max_length=316)]
    """What is spoken of: `Accepted`, `Available`, `Ready` or `Stalled`."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""

    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, as one stable word; all of them are explained in the operations guide."""

    message: Annotated[str, Field(max_length=32768)]
    """Why, as a sentence for the person on call."""

    observed_generation: Annotated[int, Field(ge=0)]
    """Generation of the ModelServer that the condition speaks of."""

    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When `status` last changed."""


class ServedModel(Wire):
    """Which model the status speaks of."""

    name: _Text | None = None
    """Name in URLs and metrics."""

    version: _Text | None = None
    """Version that is asked for."""

    digest: _Text | None = None
    """Digest that is asked for."""


class ModelServerStatus(Wire):
    """What is true of the ModelServer; written by the operator."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the ModelServer that this status speaks of."""

    replicas: _Count | None = None
    """Pods that exist."""

    ready_replicas: _Count | None = None
    """Pods that answer."""

    updated_replicas: _Count | None = None
    """Pods of the newest spec."""

    available_replicas: _Count | None = None
    """Pods that have answered for long enough to be counted on."""

    ready_pods: Annotated[str, Field(max_length=32)] | None = None
    """Ready pods and wanted pods as `kubectl get` prints them, such as 2/3."""

    selector: _Text | None = None
    """Label selector of the pods, for the scale subresource."""

    url: _Text | None = None
    """Address of the model inside the cluster."""

    image: _Text | None = None
    """Runtime image that the newest pods are made from."""

    model: ServedModel | None = None
    """The model that `Ready` speaks of."""

    conditions: (
        Annotated[tuple[Condition, ...], Field(max_length=16), ListType("map", keys=("type",))]
        | None
    ) = None
    """`Accepted`, `Available`, `Ready` and `Stalled`, always all four."""
