"""How often a model was right about rows whose answers are known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score

from modelserver_runtime.artifact import Class, Task
from modelserver_runtime.engines import Outcome
from modelserver_runtime.errors import NotPackable


def scores(
    outcome: Outcome, target: Any, task: Task, classes: Sequence[Class] | None
) -> dict[str, float]:
    """
    Compare *outcome* with *target*; empty for tasks that have no right answer.

    f1_score is that of the second of two classes, and the mean over classes where there are more.

    Raises:
        NotPackable: the target is none of this model's.
    """
    want, got = np.asarray(target), outcome.predictions
    if want.shape != got.shape:
        raise NotPackable(
            f"the target has the shape {want.shape}, but the model answers {got.shape}"
        )
    try:
        if task == "classification" and classes is not None:
            return _of_classes(want, got, [c.label for c in classes])
        if task == "multilabel":
            return {"accuracy": _share(want, got), "f1_score": _mean_f1(want, got)}
        if task == "regression":
            return {
                "r2": float(r2_score(want, got)),
                "mean_absolute_error": float(mean_absolute_error(want, got)),
            }
    except (ValueError, TypeError) as error:
        raise NotPackable(f"the target does not fit what the model answers: {error}") from error
    return {}


def _of_classes(want: Any, got: Any, labels: Sequence[Any]) -> dict[str, float]:
    strangers = sorted(set(map(str, want.tolist())) - set(map(str, labels)))
    if strangers:
        raise NotPackable(
            f"the target has {', '.join(strangers[:5])}, but the model knows only the classes "
            f"{', '.join(map(str, labels))}: was it trained on another target?"
        )
    if len(labels) == 2:  # noqa: PLR2004 - the second is the one that is looked for
        f1 = float(f1_score(want, got, pos_label=labels[1]))
        return {"accuracy": _share(want, got), "f1_score": f1}
    return {"accuracy": _share(want, got), "f1_score": _mean_f1(want, got)}


def _share(want: Any, got: Any) -> float:
    return float(accuracy_score(want, got))


def _mean_f1(want: Any, got: Any) -> float:
    return float(f1_score(want, got, average="macro"))
