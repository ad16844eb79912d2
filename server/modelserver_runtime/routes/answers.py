"""What the routes answer, as OpenAPI describes it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class ErrorAnswer(_Answer):
    """What every error looks like."""

    error: str
    details: str
    timestamp: str
    request_id: str
    detail: list[dict[str, Any]] | None = None


class PredictionValues(_Answer):
    """One row's answer."""

    prediction: Any
    probability: list[float] | None
    confidence: float | None


class PredictionAnswer(PredictionValues):
    """The answer of /predict."""

    timestamp: str


class BatchAnswer(_Answer):
    """The answer of /batch-predict."""

    predictions: list[PredictionValues]
    count: int = Field(ge=1)
    timestamp: str


class Predictions(_Answer):
    """The answer of /invocations and of KServe V1."""

    predictions: list[Any]


class OutputTensor(_Answer):
    """One output of an inference."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None


class InferenceResponse(_Answer):
    """The answer of an inference; with binary data, this is its JSON part."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[OutputTensor]


class ServedModelName(_Answer):
    """Which model is served."""

    name: str
    version: str
    digest: str


class Root(_Answer):
    """Who this is."""

    name: str
    version: str
    model: ServedModelName | None
    links: dict[str, str]


class Health(_Answer):
    """The process can work."""

    status: str
    version: str
    model_loaded: bool
    timestamp: str


class Readiness(_Answer):
    """Whether a verified model answers; if not, why."""

    status: str
    timestamp: str
    reason: str | None = None
    message: str | None = None


class Version(_Answer):
    """The runtime's version."""

    version: str


class Metadata(_Answer):
    """What the model is and where it comes from."""

    model_config = ConfigDict(extra="allow")

    name: str
    version: str
    accuracy: float | None
    f1_score: float | None
    classes: list[str] | None
    n_features: int
    digest: str
    format: str
    engine: str
    framework_versions: dict[str, str]
    created: str


class FeatureDescription(_Answer):
    """One column."""

    model_config = ConfigDict(extra="allow")

    name: str
    title: str | None
    type: str
    nullable: bool
    minimum: float | None
    maximum: float | None


class FeatureList(_Answer):
    """The columns in order, and a row of them that can be sent as it is."""

    features: list[FeatureDescription]
    count: int
    example: dict[str, Any]


class V1Models(_Answer):
    """Names of the models."""

    models: list[str]


class ModelReadiness(_Answer):
    """A model that is ready."""

    name: str
    ready: bool


class ServerMetadata(_Answer):
    """The server as the Open Inference Protocol describes it."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(_Answer):
    """One input or output; -1 is any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(_Answer):
    """The model as the Open Inference Protocol describes it."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
