"""What scikit-learn follows without looking: branches out of a tree's arrays, names of files."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from modelserver_runtime.engines import kind_of
from modelserver_runtime.errors import UnsafeFormat

# They hand their rows to their trees without checking once more how wide they are.
_TRUSTING = frozenset(
    {
        "ensemble.BaggingClassifier",
        "ensemble.BaggingRegressor",
        "ensemble.ExtraTreesClassifier",
        "ensemble.ExtraTreesRegressor",
        "ensemble.GradientBoostingClassifier",
        "ensemble.GradientBoostingRegressor",
        "ensemble.HistGradientBoostingClassifier",
        "ensemble.HistGradientBoostingRegressor",
        "ensemble.IsolationForest",
        "ensemble.RandomForestClassifier",
        "ensemble.RandomForestRegressor",
        "ensemble.RandomTreesEmbedding",
    }
)


def require_sound(value: Any, width: int | None = None) -> None:
    """
    Look at every tree, and every vectorizer, inside *value*.

    A file that holds only data can still make compiled code read memory that is not its own, by a
    node whose child or feature does not exist, or keep it in a circle for ever; and a vectorizer
    take the texts of requests for names of files.

    Args:
        value: an estimator, or anything that one holds.
        width: columns of the rows that a tree found here will be asked with, where known.

    Raises:
        UnsafeFormat.
    """
    check = _CHECKS.get(kind_of(value))
    if check is not None:
        check(value, width)
    elif isinstance(value, Mapping):
        for inside in value.values():
            require_sound(inside, width)
    elif isinstance(value, list | tuple | set):
        for inside in value:
            require_sound(inside, width)
    elif isinstance(value, np.ndarray) and value.dtype == object:
        for inside in value.ravel():
            require_sound(inside, width)
    elif kind_of(value) and hasattr(value, "__dict__"):
        _require_sound_parts(value, width)


def _require_sound_parts(estimator: Any, width: int | None) -> None:
    for part, features in zip(
        getattr(estimator, "estimators_", ()),
        getattr(estimator, "estimators_features_", ()),
        strict=False,
    ):
        if getattr(part, "n_features_in_", len(features)) != len(features):
            raise UnsafeFormat("an estimator inside the model is wider than the rows it gets")
    own = vars(estimator).get("n_features_in_")
    known = [columns for columns in (own, width) if columns is not None]
    hands_down = kind_of(estimator) in _TRUSTING or hasattr(estimator, "tree_")
    below = min(known) if hands_down and known else None
    for inside in vars(estimator).values():
        require_sound(inside, below)


def _require_tree(tree: Any, width: int | None) -> None:
    is_leaf = tree.children_left == -1
    _require_branches(is_leaf, tree.children_left, tree.children_right)
    _require_below(tree.feature[~is_leaf], tree.n_features if width is None else width)


def _require_predictor(predictor: Any, width: int | None) -> None:
    nodes = predictor.nodes
    is_leaf = nodes["is_leaf"].astype(bool)
    _require_branches(is_leaf, nodes["left"].astype(np.int64), nodes["right"].astype(np.int64))
    inner = nodes[~is_leaf]
    if width is not None:
        _require_below(inner["feature_idx"], width)
    categorical = inner[inner["is_categorical"].astype(bool)]
    _require_below(categorical["bitset_idx"], len(predictor.raw_left_cat_bitsets))


def _require_neighbours(tree: Any, _: int | None) -> None:
    data, order, nodes, bounds = (np.asarray(array) for array in tree.get_arrays())
    _require_below(order, len(data))
    starts, ends = nodes["idx_start"], nodes["idx_end"]
    inside = (starts >= 0) & (starts <= ends) & (ends <= len(order))
    is_full = (len(nodes) + 1).bit_count() == 1  # a node's children are found by its number
    if not (inside.all() and is_full and bounds.shape[1] == len(nodes)):
        raise UnsafeFormat("a tree of neighbours leads out of its arrays")


def _require_texts(vectorizer: Any, _: int | None) -> None:
    if vectorizer.input != "content":
        raise UnsafeFormat(
            "a vectorizer opens the files that requests name, instead of reading their texts: its "
            "input must be 'content'"
        )


_CHECKS: Mapping[str, Callable[[Any, int | None], None]] = {
    "tree.Tree": _require_tree,
    "ensemble.TreePredictor": _require_predictor,
    "neighbors.KDTree": _require_neighbours,
    "neighbors.BallTree": _require_neighbours,
    "feature_extraction.CountVectorizer": _require_texts,
    "feature_extraction.HashingVectorizer": _require_texts,
    "feature_extraction.TfidfVectorizer": _require_texts,
}


def _require_branches(is_leaf: Any, left: Any, right: Any) -> None:
    """Every branch leads forward, so that each path ends."""
    numbers = np.arange(len(is_leaf))
    for children in (left, right):
        forward = (children > numbers) & (children < len(numbers))
        if not (is_leaf | forward).all():
            raise UnsafeFormat("a tree has a branch that leads out of it, or backwards")


def _require_below(numbers: Any, count: int) -> None:
    if len(numbers) and not (int(numbers.min()) >= 0 and int(numbers.max()) < count):
        raise UnsafeFormat("a tree names a column, row or set that does not exist")
