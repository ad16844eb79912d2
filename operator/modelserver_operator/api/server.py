"""How the runtime in each pod behaves."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from modelserver_operator.api.wire import Rule, WhenAbsent, Wire


class ServerSettings(Wire):
    """How the runtime in each pod behaves. A change is rolled out like a new model."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.metricsPort) || self.metricsPort != 8000",
            holds=lambda self: self.metrics_port != 8000,  # noqa: PLR2004 - the message says it
            message="8000 is the port of the API: choose another, or leave metricsPort out to have"
            " the metrics there",
            field="metricsPort",
        ),
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe level that is logged."""

    max_batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Rows in one request; more are answered 400."""

    max_body_bytes: Annotated[int, Field(ge=1024, le=67_108_864)] = 8_388_608
    """Bytes of one request's body; more are answered 413."""

    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Predictions that a pod works on at one time; more are answered 503."""

    request_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """How long one prediction may take. A pod that ends is given this time besides the drain."""

    load_timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    """How long a pod may take from its start until it is ready, before it is started again."""

    drain_seconds: Annotated[int, Field(ge=1, le=600)] = 8
    """How long a pod that ends still answers new requests, for clients that know it longer."""

    metrics_port: Annotated[
        Annotated[int, Field(ge=1024, le=65_535)] | None, WhenAbsent("on the port of the API")
    ] = None
    """A port of their own for the metrics and the probes, so that clients do not reach them."""
