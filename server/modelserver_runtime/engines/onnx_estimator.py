"""An ONNX model asked as scikit-learn's estimators are: `predict`, `predict_proba`, `classes_`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.engines import as_float32

ColumnType = Literal["float64", "int64", "bool", "string"]


@dataclass(frozen=True)
class OnnxInput:
    """
    One tensor that the model takes.

    Args:
        type: as onnxruntime names it, `tensor(float)`.
        width: how many columns it holds; None where the file leaves that open.
        is_flat: it has no second dimension.
    """

    name: str
    type: str
    width: int | None
    is_flat: bool

    @property
    def column_type(self) -> ColumnType:
        """The type of a signature's column that fits."""
        return COLUMN_TYPES[self.type]

    def tensor(self, columns: NDArray[Any]) -> NDArray[Any]:
        """
        Make the tensor of *columns*, shape (rows, width).

        Raises:
            OutOfRange: float32 cannot hold a value.
            ValueError: a value is of another type.
        """
        made: NDArray[Any] = _TENSORS[self.type](columns)
        return made[:, 0] if self.is_flat else made


_SLACK = 1e-3  # float32, summed over many trees


class OnnxEstimator:
    """
    A model that onnxruntime computes.

    Args:
        session: onnxruntime's.
        inputs: in the order of the columns.
        outputs: names of the label or value, and of what follows it.
        failures: what the session raises.
    """

    def __init__(
        self,
        session: Any,
        inputs: Sequence[OnnxInput],
        outputs: Sequence[str],
        failures: tuple[type[Exception], ...],
    ) -> None:
        self._session = session
        self._inputs = tuple(inputs)
        self._outputs = tuple(outputs)
        self._failures = failures
        widths = [each.width for each in inputs if each.width is not None]
        if len(widths) == len(self._inputs):
            self.n_features_in_ = sum(widths)
            if len(widths) > 1 and self.n_features_in_ == len(widths):
                self.feature_names_in_ = np.array([each.name for each in inputs], dtype=object)

    def with_classes(self, labels: Sequence[Any]) -> "OnnxEstimator":
        """The same model with classes that something else tells; itself if it has one output."""
        if len(self._outputs) == 1:
            return self
        return OnnxClassifier(self._session, self._inputs, self._outputs, self._failures, labels)

    def column_types(self, count: int) -> list[ColumnType]:
        """The types of *count* columns."""
        types: list[ColumnType] = []
        for each in self._inputs:
            types += [each.column_type] * (count if each.width is None else each.width)
        return types

    def predict(self, batch: Any) -> NDArray[Any]:
        """The label or the value of each row."""
        return _predictions(self._run(batch, self._outputs[:1])[0])

    def _run(self, batch: Any, outputs: Sequence[str]) -> list[Any]:
        rows = np.asarray(batch)
        feed, first = {}, 0
        for each in self._inputs:
            width = rows.shape[1] if each.width is None else each.width
            feed[each.name] = each.tensor(rows[:, first : first + width])
            first += width
        if first != rows.shape[1]:
            raise ValueError(f"rows have {rows.shape[1]} columns, but the model takes {first}")
        try:
            answer: list[Any] = self._session.run(list(outputs), feed)
        except self._failures as error:
            raise as_python_says(error) from error
        for output in answer:
            if len(output) != len(rows):
                raise ValueError(f"the model gives {len(output)} answers for {len(rows)} rows")
        return answer


class OnnxClassifier(OnnxEstimator):
    """
    A model of classes, with a probability of each.

    Args:
        labels: in the order of the probabilities.
    """

    def __init__(
        self,
        session: Any,
        inputs: Sequence[OnnxInput],
        outputs: Sequence[str],
        failures: tuple[type[Exception], ...],
        labels: Sequence[Any],
    ) -> None:
        super().__init__(session, inputs, outputs, failures)
        self.classes_ = np.array(labels)

    def predict_proba(self, batch: Any) -> NDArray[np.float64]:
        """The probability of each class, shape (rows, classes)."""
        return self.answer(batch)[1]

    def answer(self, batch: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """
        Labels and probabilities in one run.

        Raises:
            ValueError: the second output is no probability of each class.
        """
        labels, scores = self._run(batch, self._outputs)
        probabilities = _probabilities(scores, self.classes_.tolist())
        if probabilities.shape != (len(labels), len(self.classes_)):
            raise ValueError(
                f"the probabilities have the shape {probabilities.shape}, "
                f"but there are {len(self.classes_)} classes"
            )
        # Support vector machines and others have scores there.
        if not ((probabilities > -_SLACK) & (probabilities < 1 + _SLACK)).all():
            raise ValueError(f"{self._outputs[1]} is no probability: leave that output out")
        return _predictions(labels), probabilities


def as_python_says(error: Exception) -> Exception:
    """What Python itself would raise where onnxruntime raised *error*."""
    said = str(error)
    if any(words in said for words in ("bad_alloc", "bad allocation", "Failed to allocate")):
        return MemoryError(said)
    return ValueError(said)


def _predictions(output: Any) -> NDArray[Any]:
    predictions = np.asarray(output)
    if predictions.ndim == 2 and predictions.shape[1] == 1:  # noqa: PLR2004 - a column
        predictions = predictions[:, 0]
    if predictions.dtype.kind == "O":
        return predictions.astype(np.str_)
    return predictions.astype(np.float64) if predictions.dtype.kind == "f" else predictions


def _probabilities(output: Any, classes: list[Any]) -> NDArray[np.float64]:
    if isinstance(output, list):  # what ZipMap makes: a dictionary for each row
        if any(row.keys() != set(classes) for row in output):
            raise ValueError("the probabilities are of other classes")
        output = [[row[label] for label in classes] for row in output]
    return np.asarray(output, dtype=np.float64)


def _whole(columns: NDArray[Any], dtype: type) -> NDArray[Any]:
    whole: NDArray[Any] = columns.astype(dtype)
    if not (whole == columns).all():
        raise ValueError("a column of whole numbers has another value")
    return np.ascontiguousarray(whole)


def _texts(columns: NDArray[Any]) -> NDArray[Any]:
    if not all(isinstance(cell, str) for cell in columns.ravel()):
        raise ValueError("a column of texts has another value")
    return np.ascontiguousarray(columns.astype(object))


_TENSORS: Mapping[str, Any] = {
    "tensor(float)": lambda columns: np.ascontiguousarray(as_float32(columns)),
    "tensor(double)": lambda columns: np.ascontiguousarray(columns.astype(np.float64)),
    "tensor(int64)": lambda columns: _whole(columns, np.int64),
    "tensor(int32)": lambda columns: _whole(columns, np.int32),
    "tensor(bool)": lambda columns: _whole(columns, np.bool_),
    "tensor(string)": _texts,
}
COLUMN_TYPES: Mapping[str, ColumnType] = {
    "tensor(float)": "float64",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int64",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
}
