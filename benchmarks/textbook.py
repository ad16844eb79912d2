"""A prediction API as a good tutorial would write it: what most people run in production."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import joblib
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel, Field

models: dict[str, Any] = {}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Load the model once, before the first request."""
    models["model"] = joblib.load(os.environ["MODEL_PATH"])
    yield
    models.clear()


app = FastAPI(title="Breast cancer", lifespan=lifespan)


class Features(BaseModel):
    """One row."""

    feature_1: float
    feature_2: float
    feature_3: float
    feature_4: float
    feature_5: float
    feature_6: float
    feature_7: float
    feature_8: float
    feature_9: float
    feature_10: float
    feature_11: float
    feature_12: float
    feature_13: float
    feature_14: float
    feature_15: float
    feature_16: float
    feature_17: float
    feature_18: float
    feature_19: float
    feature_20: float
    feature_21: float
    feature_22: float
    feature_23: float
    feature_24: float
    feature_25: float
    feature_26: float
    feature_27: float
    feature_28: float
    feature_29: float
    feature_30: float


class Batch(BaseModel):
    """Many rows."""

    records: list[Features] = Field(min_length=1, max_length=1000)


class Prediction(BaseModel):
    """One row's answer."""

    prediction: int
    probability: list[float]
    confidence: float


class PredictionAnswer(Prediction):
    """The answer to one row."""

    timestamp: datetime


class BatchAnswer(BaseModel):
    """The answer to many rows."""

    predictions: list[Prediction]
    count: int
    timestamp: datetime


def matrix_of(rows: list[Features]) -> np.ndarray:
    """The rows as scikit-learn wants them."""
    return np.array([list(row.model_dump().values()) for row in rows])


@app.get("/health")
def health() -> dict[str, str]:
    """Say that the model is loaded."""
    return {"status": "healthy"}


@app.post("/predict")
def predict(features: Features) -> PredictionAnswer:
    """Predict one row."""
    row = matrix_of([features])
    label = models["model"].predict(row)[0]
    probability = models["model"].predict_proba(row)[0]
    return PredictionAnswer(
        prediction=int(label),
        probability=probability.tolist(),
        confidence=float(probability.max()),
        timestamp=datetime.now(UTC),
    )


@app.post("/batch-predict")
def batch_predict(batch: Batch) -> BatchAnswer:
    """Predict many rows."""
    rows = matrix_of(batch.records)
    labels = models["model"].predict(rows)
    probabilities = models["model"].predict_proba(rows)
    predictions = [
        Prediction(prediction=int(label), probability=row.tolist(), confidence=float(row.max()))
        for label, row in zip(labels, probabilities, strict=True)
    ]
    return BatchAnswer(predictions=predictions, count=len(predictions), timestamp=datetime.now(UTC))
