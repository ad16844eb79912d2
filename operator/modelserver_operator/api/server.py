"""How the runtime in each pod behaves."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from modelserver_operator.api.auth import Auth
from modelserver_operator.api.cors import Cors
from modelserver_operator.api.rate_limit import RateLimit
from modelserver_operator.api.tls import Tls
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

    auth: Annotated[Auth | None, WhenAbsent("whoever reaches the pods may ask")] = None
    """Who may ask for predictions."""

    tls: Annotated[Tls | None, WhenAbsent("plain HTTP")] = None
    """TLS on every port of the pods, with a certificate of yours."""

    cors: Annotated[Cors | None, WhenAbsent("pages of this server only")] = None
    """Which pages may ask from a browser, where they were not served by this server."""

    rate_limit: Annotated[RateLimit | None, WhenAbsent("no limit for one client")] = None
    """How often one client may ask."""

    @property
    def scheme(self) -> Literal["http", "https"]:
        """What every port of the pods speaks."""
        return "http" if self.tls is None else "https"
