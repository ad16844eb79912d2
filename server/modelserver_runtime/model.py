"""The model being served: its manifest, the engine that answers, and how it came to be ready."""

from dataclasses import dataclass
from typing import Any

from modelserver_runtime.artifact import Manifest
from modelserver_runtime.engines import Engine, Outcome, Rows


@dataclass(frozen=True)
class Cost:
    """
    What a prediction costs, measured at load.

    Args:
        first_row_seconds: a request of one row.
        next_row_seconds: each further row.
    """

    first_row_seconds: float
    next_row_seconds: float

    def rows_within(self, seconds: float, *, at_most: int) -> int:
        """The most rows that cost no more than *seconds*; 0 when one is too much."""
        if self.first_row_seconds > seconds:
            return 0
        if self.next_row_seconds <= 0:
            return at_most
        return min(at_most, 1 + int((seconds - self.first_row_seconds) / self.next_row_seconds))


@dataclass(frozen=True, eq=False)
class ServedModel:
    """
    A model that was verified, loaded and answered its golden examples as recorded.

    Args:
        name: name in URLs and metrics.
        digest: `sha256:…` of the artifact's manifest.
        format: format of the file that was loaded.
        engine: what computes the answers.
        engine_reason: why this engine, and not a faster one, was taken.
        rows_checked: on how many rows the engine was compared with scikit-learn.
        cost: measured at load.
    """

    name: str
    digest: str
    format: str
    manifest: Manifest
    engine: Engine
    engine_reason: str
    rows_checked: int
    cost: Cost

    @property
    def version(self) -> str:
        """The artifact's version."""
        return self.manifest.version

    @property
    def class_names(self) -> list[str] | None:
        """Names of the classes for people, in the order of the probabilities."""
        if self.manifest.classes is None:
            return None
        return [c.name for c in self.manifest.classes]

    def predict(self, rows: Rows) -> Outcome:
        """Answer *rows*; whatever the estimator raises goes to the caller."""
        return self.engine.run(rows)

    def metadata(self) -> dict[str, Any]:
        """What /model/metadata answers."""
        manifest = self.manifest
        return {
            "name": self.name,
            "version": manifest.version,
            "artifact_name": manifest.name,
            "description": manifest.description,
            "task": manifest.task,
            "accuracy": manifest.metrics.get("accuracy"),
            "f1_score": manifest.metrics.get("f1_score"),
            "metrics": dict(manifest.metrics),
            "classes": self.class_names,
            "n_features": len(manifest.signature.features),
            "digest": self.digest,
            "format": self.format,
            "engine": self.engine.name,
            "engine_reason": self.engine_reason,
            "engine_rows_checked": self.rows_checked,
            "framework_versions": dict(manifest.framework_versions),
            "created": manifest.created,
        }
