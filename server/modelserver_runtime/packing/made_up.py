"""Rows for a model that comes without data, made from what its parts learned."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.artifact import Feature
from modelserver_runtime.engines.inputs import parts, reads_texts
from modelserver_runtime.engines.onnx_estimator import OnnxEstimator
from modelserver_runtime.errors import NotPackable
from modelserver_runtime.packing.answers import name_of
from modelserver_runtime.packing.features import is_missing
from modelserver_runtime.packing.sample import Sample, rows_of

ROWS = 12
WORDS = 6
_SEED = 0
_ORIGIN = "rows made up from what it knows: give some of its training rows as data"

Values = NDArray[Any]
Draw = Callable[[np.random.Generator], Values]


def made_up_sample(estimator: Any, features: Sequence[Feature] | None = None) -> Sample:
    """
    Rows that *estimator* may well answer; of how it was trained they tell nothing.

    Scalers know the middle and the spread of their columns, encoders their categories, vectorizers
    their words, trees where they split.

    Args:
        estimator: fitted.
        features: where they are known; default: named and typed as the estimator itself can tell.

    Raises:
        NotPackable: it does not even know how many columns it has.
    """
    chance = np.random.default_rng(_SEED)
    if reads_texts(estimator):
        columns = {"text": _Column(texts=_texts(estimator))}
    else:
        columns = _known_columns(estimator)
    if features is None and isinstance(estimator, OnnxEstimator):
        types = estimator.column_types(len(columns))
        features = [Feature(name=n, type=t) for n, t in zip(columns, types, strict=True)]
    if features is None:
        features = [column.feature(name) for name, column in columns.items()]
    drawn = {
        feature.name: _as_type(feature, column.draw(chance))
        for feature, column in zip(features, columns.values(), strict=False)
    }
    return Sample(
        features=tuple(features),
        rows=rows_of(drawn, tuple(features)),
        baseline={},
        origin=_ORIGIN,
    )


def _as_type(feature: Feature, values: "Values") -> "Values":
    if feature.type == "string" and values.dtype.kind in "fiub":
        raise NotPackable(
            f"nobody knows which texts {feature.name} may hold: give some of the training rows as"
            " data"
        )
    if feature.type == "bool":
        return np.asarray(values > np.median(values))
    return np.rint(values) if feature.type == "int64" else values


@dataclass
class _Column:
    """What is known about one column."""

    middle: float = 0.0
    spread: float = 1.0
    values: Values | None = None
    texts: Draw | None = None

    def feature(self, name: str) -> Feature:
        """What requests may send; a range would say more than is known."""
        if self.texts is None and (self.values is None or self.values.dtype.kind != "U"):
            return Feature(name=name)
        known = None if self.values is None else tuple(sorted(self.values.tolist()))
        return Feature(name=name, type="string", categories=known)

    def draw(self, chance: np.random.Generator) -> Values:
        if self.texts is not None:
            return self.texts(chance)
        if self.values is not None:
            return chance.choice(self.values, ROWS)
        return chance.normal(self.middle, self.spread, ROWS)


def _known_columns(estimator: Any) -> dict[str, _Column]:
    width = getattr(estimator, "n_features_in_", None)
    if not isinstance(width, int | np.integer):
        raise NotPackable(
            f"the {name_of(estimator)} does not know its columns: give some of its training"
            " rows as data"
        )
    given = getattr(estimator, "feature_names_in_", None)
    names = [f"feature_{i + 1}" for i in range(width)] if given is None else list(map(str, given))
    columns = [_Column() for _ in range(width)]
    _learn(estimator, columns, names)
    return dict(zip(names, columns, strict=True))


def _learn(part: Any, columns: Sequence[_Column], names: Sequence[str]) -> None:
    """Let the first step, or the transformer of each column, tell what it knows."""
    if hasattr(part, "steps"):
        _learn(part.steps[0][1], columns, names)
    elif hasattr(part, "transformers_"):
        for _, transformer, chosen in part.transformers_:
            _learn_chosen(transformer, chosen, columns, names)
    elif hasattr(part, "mean_") and np.shape(part.mean_) == (len(columns),):
        _learn_spread(columns, part.mean_, getattr(part, "scale_", None))
    elif hasattr(part, "data_min_") and hasattr(part, "data_max_"):
        middles = (part.data_min_ + part.data_max_) / 2
        _learn_spread(columns, middles, (part.data_max_ - part.data_min_) / 4)
    elif hasattr(part, "center_") and np.shape(part.center_) == (len(columns),):
        _learn_spread(columns, part.center_, getattr(part, "scale_", None))
    elif hasattr(part, "categories_"):
        for column, values in zip(columns, part.categories_, strict=True):
            column.values = values[~is_missing(values)]
            if column.values.dtype == object:
                column.values = np.array(column.values.tolist())
    else:
        _learn_splits(part, columns)


def _learn_chosen(
    transformer: Any, chosen: Any, columns: Sequence[_Column], names: Sequence[str]
) -> None:
    if isinstance(transformer, str):  # "drop", "passthrough"
        return
    if isinstance(chosen, str) and reads_texts(transformer):
        columns[names.index(chosen)].texts = _texts(transformer)
        return
    numbers = _positions(chosen, names)
    _learn(transformer, [columns[i] for i in numbers], [names[i] for i in numbers])


def _positions(chosen: Any, names: Sequence[str]) -> Sequence[int]:
    if isinstance(chosen, slice):
        return range(len(names))[chosen]
    listed = np.atleast_1d(np.asarray(chosen, dtype=object)).tolist()
    if listed and all(isinstance(one, bool) for one in listed):
        return [i for i, one in enumerate(listed) if one]
    return [names.index(one) if isinstance(one, str) else int(one) for one in listed]


def _learn_spread(columns: Sequence[_Column], middles: Any, spreads: Any) -> None:
    spreads = np.ones(len(columns)) if spreads is None else spreads
    for column, middle, spread in zip(columns, middles, spreads, strict=True):
        column.middle, column.spread = float(middle), float(spread)


def _learn_splits(part: Any, columns: Sequence[_Column]) -> None:
    """A tree splits where its column has values on both sides."""
    thresholds: Mapping[int, list[float]] = {i: [] for i in range(len(columns))}
    for tree in _trees(part):
        inner = tree.children_left != -1
        for i, threshold in zip(tree.feature[inner], tree.threshold[inner], strict=True):
            if i in thresholds:
                thresholds[i].append(float(threshold))
    for i, found in thresholds.items():
        if found:
            columns[i].middle = float(np.mean(found))
            columns[i].spread = float(np.std(found)) or 1.0


def _trees(part: Any) -> Iterator[Any]:
    for inside in parts(part):
        if hasattr(inside, "tree_"):
            yield inside.tree_
        members = getattr(inside, "estimators_", None)
        if isinstance(members, np.ndarray):  # of boosting, one row a round
            yield from (member.tree_ for member in members.ravel() if hasattr(member, "tree_"))


def _texts(estimator: Any) -> Draw:
    words = next(
        (sorted(part.vocabulary_) for part in parts(estimator) if hasattr(part, "vocabulary_")),
        ["some", "words", "of", "a", "text"],
    )

    def draw(chance: np.random.Generator) -> Values:
        texts = [" ".join(chance.choice(words, WORDS).tolist()) for _ in range(ROWS)]
        return np.array(texts, dtype=object)

    return draw
