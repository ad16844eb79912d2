"""A model that answers otherwise than recorded is refused, with the row where it is worst."""

from typing import Any

import numpy as np
import pytest

from modelserver_runtime.artifact import Class, Feature, Golden, Manifest, Output, Signature
from modelserver_runtime.engines import Outcome
from modelserver_runtime.errors import GoldenMismatch
from modelserver_runtime.golden import require_golden


def golden(predictions: list[Any], probabilities: list[Any] | None = None) -> Golden:
    """Recorded answers, of as many rows."""
    return Golden.model_validate(
        {
            "tolerance": 1e-9,
            "rows": [[0.0]] * len(predictions),
            "predictions": predictions,
            "probabilities": probabilities,
        }
    )


def manifest(*classes: str) -> Manifest:
    """A manifest with these classes."""
    return Manifest(
        schema_version=1,
        name="m",
        version="1",
        task="classification",
        created="",
        files=(),
        signature=Signature(
            features=(Feature(name="x"),), outputs=(Output(name="y", type="float64"),)
        ),
        classes=tuple(Class(label=i, name=name) for i, name in enumerate(classes)),
    )


PROBABILITIES = [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("recorded", "outcome"),
    [
        pytest.param(golden(["a", "b"]), Outcome(np.array(["a", "b"])), id="labels of text"),
        pytest.param(golden([1, 0]), Outcome(np.array([1, 0])), id="labels that are numbers"),
        pytest.param(golden([True]), Outcome(np.array([True])), id="truth"),
        pytest.param(golden([1e6]), Outcome(np.array([1e6 + 5e-4])), id="relative to the value"),
        pytest.param(golden([[1.0, 2.0]]), Outcome(np.array([[1.0, 2.0]])), id="several outputs"),
        pytest.param(
            golden([0, 1, 0], PROBABILITIES),
            Outcome(np.array([0, 1, 0]), np.array(PROBABILITIES) + 5e-10),
            id="probabilities within the tolerance",
        ),
    ],
)
def test_what_was_recorded_passes(recorded: Golden, outcome: Outcome) -> None:
    """Numbers within the tolerance, everything else exactly."""
    require_golden(outcome, manifest("no", "yes"), recorded)


@pytest.mark.parametrize(
    ("recorded", "outcome", "told"),
    [
        pytest.param(
            golden(["a", "b", "c"]),
            Outcome(np.array(["a", "c", "c"])),
            "1 of 3 golden examples are answered otherwise than recorded; the worst is number 2: "
            "prediction 'b' was recorded, and 'c' came (tolerance 1e-09)",
            id="a label",
        ),
        pytest.param(
            golden([1.0, 2.0, 3.0, 4.0]),
            Outcome(np.array([1.5, 2.0, 3.25, 4.1])),
            "3 of 4 golden examples are answered otherwise than recorded; the worst is number 1: "
            "prediction 1.0 was recorded, and 1.5 came, 0.5 off (tolerance 1e-09)",
            id="the worst of several numbers",
        ),
        pytest.param(
            golden([0, 1, 0], PROBABILITIES),
            Outcome(np.array([0, 1, 0]), np.array([[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]])),
            "1 of 3 golden examples are answered otherwise than recorded; the worst is number 2: "
            "for class yes, probability 0.8 was recorded, and 0.75 came, 0.05 off "
            "(tolerance 1e-09)",
            id="a probability",
        ),
        pytest.param(
            golden([0, 1, 0], PROBABILITIES),
            Outcome(np.array([0, 1, 1]), np.array([[0.1, 0.9], [0.2, 0.8], [0.5, 0.5]])),
            "2 of 3 golden examples are answered otherwise than recorded; the worst is number 3: "
            "prediction 0 was recorded, and 1 came (tolerance 1e-09)",
            id="a label before a probability",
        ),
        pytest.param(
            golden([1.0]),
            Outcome(np.array([np.nan])),
            "1 of 1 golden examples are answered otherwise than recorded; the worst is number 1: "
            "prediction 1.0 was recorded, and nan came (tolerance 1e-09)",
            id="no number",
        ),
        pytest.param(
            golden([[1, 0]]),
            Outcome(np.array([[1, 1]])),
            "1 of 1 golden examples are answered otherwise than recorded; the worst is number 1: "
            "prediction [1, 0] was recorded, and [1, 1] came (tolerance 1e-09)",
            id="one of several labels",
        ),
        pytest.param(
            golden([0, 1, 0], PROBABILITIES),
            Outcome(np.array([0, 1, 0])),
            "the recorded golden probabilities have another shape than the model's",
            id="no probabilities any more",
        ),
        pytest.param(
            golden([0, 1]),
            Outcome(np.array([0])),
            "the model gives 1 answers to 2 examples",
            id="one answer for all",
        ),
        pytest.param(
            golden([1.0]),
            Outcome(np.array(["1.0"])),
            "1 of 1 golden examples are answered otherwise than recorded; the worst is number 1: "
            "prediction 1.0 was recorded, and '1.0' came (tolerance 1e-09)",
            id="text for a number",
        ),
        pytest.param(
            golden([1.5]),
            Outcome(np.array([[1.5, 2.0]])),
            "1 of 1 golden examples are answered otherwise than recorded; the worst is number 1: "
            "prediction 1.5 was recorded, and [1.5, 2.0] came (tolerance 1e-09)",
            id="several outputs for one",
        ),
        pytest.param(
            golden([1.5]),
            Outcome(np.array([None])),
            "1 of 1 golden examples are answered otherwise than recorded; the worst is number 1: "
            "prediction 1.5 was recorded, and None came (tolerance 1e-09)",
            id="nothing for a number",
        ),
        pytest.param(
            golden([float("nan"), float("inf")]),
            Outcome(np.array([3.0, 4.0])),
            "2 of 2 golden examples are answered otherwise than recorded; the worst is number 1: "
            "prediction nan was recorded, and 3.0 came (tolerance 1e-09)",
            id="no number was recorded",
        ),
    ],
)
def test_what_differs_is_told(recorded: Golden, outcome: Outcome, told: str) -> None:
    """How many rows, the worst of them, what was expected, what came, and by how much."""
    with pytest.raises(GoldenMismatch) as refused:
        require_golden(outcome, manifest("no", "yes"), recorded)
    assert str(refused.value) == told
