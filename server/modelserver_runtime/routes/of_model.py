"""What routes need of the model: that it is the one named, and decoders made once for it."""

from functools import lru_cache

from modelserver_runtime.dialects.open_inference import OpenInferenceCodec
from modelserver_runtime.errors import UnknownModel
from modelserver_runtime.serving import Ready, Serving
from modelserver_runtime.tables import Tables


def require_model(serving: Serving, name: str, version: str | None = None) -> Ready:
    """
    The model, if it is the one that the client names.

    Raises:
        UnknownModel, ModelAbsent, ModelUnavailable.
    """
    ready = serving.require()
    if name != ready.model.name:
        raise UnknownModel(f"there is no such model here, only {ready.model.name}")
    if version is not None and version != ready.model.version:
        raise UnknownModel(f"{name} has no such version here, only {ready.model.version}")
    return ready


@lru_cache(maxsize=1)
def tables_of(ready: Ready) -> Tables:
    """Reads the shapes that several dialects share."""
    return Tables(ready.model.manifest.signature, ready.codec)


@lru_cache(maxsize=1)
def open_inference_of(ready: Ready, max_rows: int) -> OpenInferenceCodec:
    """Reads and writes tensors."""
    model = ready.model
    return OpenInferenceCodec(model.manifest, model.name, tables_of(ready), max_rows)
