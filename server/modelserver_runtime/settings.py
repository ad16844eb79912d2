"""What the process was told to do: read once from the environment, then passed down."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field, IPvAnyNetwork, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from modelserver_runtime.errors import SettingError

PREFIX = "MODELSERVER_"

_SERVICE_LINK = re.compile(
    r"(?P<service>\w+?)(_SERVICE_HOST|_SERVICE_PORT(_\w+)?"
    r"|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)

Format = Literal["skops", "onnx", "joblib"]


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


CommaSeparated = BeforeValidator(_split_commas)


Origin = Annotated[str, Field(pattern=r"^https?://[^/*\s]+$")]


class Settings(BaseSettings):
    """
    The settings of one runtime process; each is the environment variable `MODELSERVER_<NAME>`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        populate_by_name=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `from_environment` was given: no second look at the process's environment."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    model_path: Path = Field(
        default=Path("/models/breast-cancer"),
        validation_alias=AliasChoices("MODELSERVER_MODEL_PATH", "MODEL_PATH"),
    )
    """Artifact folder, or a model file with its `manifest.json` beside it."""

    host: str = "127.0.0.1"
    """Address to listen on. The image sets 0.0.0.0."""

    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8000, validation_alias=AliasChoices("MODELSERVER_PORT", "API_PORT")
    )
    """Port of the API; 0 takes a free one."""

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = (
        Field(default="INFO", validation_alias=AliasChoices("MODELSERVER_LOG_LEVEL", "LOG_LEVEL"))
    )
    """The least severe level that is logged."""

    log_format: Literal["json", "console"] | None = None
    """How log lines look. Default: console on a terminal, json elsewhere."""

    access_log: Literal["sampled", "all", "off"] = "sampled"
    """Requests logged: `sampled` is every 5xx and one of a hundred 4xx."""

    model_name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    """Name the model is served under, in URLs and metrics. Default: the manifest's name."""

    model_version: Annotated[str, Field(max_length=128)] | None = None
    """Version the artifact must have. Default: any."""

    model_digest: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    """Digest of the artifact (sha256 of its manifest) that must be found. Default: any."""

    signature_key_file: Path | None = None
    """Public key, with which the `model.sig` in the artifact must verify. Default: none is wanted.

    PEM, of an elliptic curve (P-256, P-384, P-521): those that `model_signing sign key` signs with.
    """

    model_formats: Annotated[tuple[Format, ...], NoDecode, CommaSeparated] = ("skops", "onnx")
    """Formats that may be loaded, comma separated; the first that the artifact has is taken."""

    version_mismatch: Literal["warn", "refuse"] | None = None
    """What to do with a model of another minor version of scikit-learn, as its manifest tells.

    Default: `warn` for skops, `refuse` for joblib. Golden examples must be answered in any case.
    """

    trust_unpinned_joblib: bool = False
    """Load a joblib file without a manifest. It can run any code: only for files of your own."""

    on_load_failure: Literal["serve", "exit"] = "serve"
    """`serve` answers 503 and says why; `exit` ends with code 78 and a termination message."""

    termination_log: Path | None = None
    """File that receives the reason when the process ends because of the model."""

    max_batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Rows in one request."""

    max_body_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    """Bytes of one request body, also after inflating.

    One of many small values takes 30 times as much memory while it is decoded.
    """

    max_in_flight_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    """Bytes of all request bodies being held at one time; not less than `max_body_bytes`."""

    max_concurrency: Annotated[int, Field(ge=1)] = 256
    """Prediction requests, received whole, at one time; more are answered 503."""

    accept_gzip: bool = False
    """Take bodies with Content-Encoding: gzip; else they are refused with 415."""

    max_connections: Annotated[int, Field(ge=1)] = 1024
    """Connections open at one time; a reserve beyond it answers health and metrics only."""

    max_header_bytes: Annotated[int, Field(ge=1024)] = 32 * 1024
    """Bytes of a request's headers."""

    max_url_bytes: Annotated[int, Field(ge=256)] = 8 * 1024
    """Bytes of a request's URL."""

    receive_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How long a request's headers, and then its body, may take to arrive.

    As long a TLS handshake may take, and answers may be left unread while no more can be written.
    """

    keep_alive_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """How long an idle connection is kept."""

    requests_per_connection: Annotated[int, Field(ge=0)] = 1000
    """Requests after which a connection is ended, give or take a tenth; 0 is never.

    New pods get their share of clients that keep connections for ever.
    """

    request_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long one prediction may take, queue included."""

    load_timeout_seconds: Annotated[float, Field(gt=0, le=86400)] = 300.0
    """How long loading and verifying the model may take.

    A file that hangs in compiled code ends the process, whatever `on_load_failure` says.
    """

    memory_limit_bytes: Annotated[int, Field(ge=1)] | None = None
    """Memory of which loading may use 90 %. Default: the container's limit, else none."""

    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 8.0
    """How long requests are still answered after SIGTERM, before the port closes."""

    auth_tokens_file: Path | None = None
    """File of bearer tokens, one a line; re-read when it changes. Default: no authentication."""

    rate_limit_per_minute: Annotated[int, Field(ge=1)] | None = None
    """Requests a minute for one client, which is its token, else its address. Default: no limit.

    An IPv6 address counts as its network of 64 bits.
    """

    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, CommaSeparated] = ()
    """Networks whose X-Forwarded-For is believed, comma separated."""

    cors_origins: Annotated[tuple[Origin, ...], NoDecode, CommaSeparated] = ()
    """Origins whose pages may call this API, comma separated, each exactly as browsers send it."""

    tls_cert_file: Path | None = None
    """Certificate chain; with `tls_key_file` the port speaks TLS. Both are re-read when changed."""

    tls_key_file: Path | None = None
    """Private key of `tls_cert_file`."""

    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port that /metrics, /health and /ready move to. Default: they stay on the API's port."""


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """
    Read the settings from *environ* (default: the process's own environment).

    Raises:
        SettingError: a name nobody knows (with the nearest known one) or a value that does not fit.
    """
    environ = os.environ if environ is None else environ
    _refuse_service_links(environ)
    _refuse_unknown_names(environ)
    try:
        settings = Settings.model_validate(_values(environ))
    except ValidationError as error:
        raise SettingError(
            "; ".join(_sentence(e["loc"], e["msg"]) for e in error.errors())
        ) from error
    _require_that_they_fit(settings)
    return settings


def names_of(field: str) -> tuple[str, ...]:
    """The environment variables that set *field*, the strongest first."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (PREFIX + field.upper(),)


def _values(environ: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for field in Settings.model_fields:
        given = [environ[name] for name in names_of(field) if environ.get(name)]
        if given:
            values[field] = given[0]
    return values


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    field = str(location[0]) if location else ""
    known = field if field in Settings.model_fields else ""
    return f"{names_of(known)[0] if known else field}: {message}"


def _require_that_they_fit(settings: Settings) -> None:
    if (settings.tls_cert_file is None) != (settings.tls_key_file is None):
        raise SettingError(
            f"{PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE belong together: set both or neither"
        )
    if settings.metrics_port == settings.port:
        raise SettingError(
            f"{PREFIX}METRICS_PORT is the API's own port {settings.port}: leave it out, or set"
            " another"
        )
    if settings.max_in_flight_bytes < settings.max_body_bytes:
        raise SettingError(
            f"{PREFIX}MAX_IN_FLIGHT_BYTES ({settings.max_in_flight_bytes}) is less than"
            f" {PREFIX}MAX_BODY_BYTES ({settings.max_body_bytes}), so that the longest bodies would"
            " never be taken: raise the first or lower the second"
        )


def _refuse_service_links(environ: Mapping[str, str]) -> None:
    for name in names_of("port"):
        if re.match(r"^(tcp|udp|sctp)://", environ.get(name, "")):
            raise SettingError(
                f"{name} is {environ[name]!r}, which Kubernetes sets for a Service of that name, "
                "not a port: set enableServiceLinks: false in the pod"
            )


def _refuse_unknown_names(environ: Mapping[str, str]) -> None:
    known = {name for field in Settings.model_fields for name in names_of(field)}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in known or _is_service_link(name, environ):
            continue
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise SettingError(f"{name} is not a setting; the nearest one is {nearest}")


def _is_service_link(name: str, environ: Mapping[str, str]) -> bool:
    """A Service called modelserver-x puts MODELSERVER_X_SERVICE_HOST into every pod beside it."""
    link = _SERVICE_LINK.fullmatch(name)
    return link is not None and f"{link['service']}_SERVICE_HOST" in environ
