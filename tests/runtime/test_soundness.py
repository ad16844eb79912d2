"""A file of nothing but data cannot make scikit-learn read foreign memory, or files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from modelserver_runtime.errors import UnsafeFormat
from modelserver_runtime.loading import load
from modelserver_runtime.packing import Description, pack
from modelserver_runtime.settings import from_environment
from modelserver_runtime.soundness import require_sound
from modelserver_runtime.trusted_types import ESTIMATORS, PARTS
from runtime.artifact_make import Artifact

X, Y = load_iris(return_X_y=True)


def spoil_tree(estimator: Any, field: str, value: int) -> None:
    """Set one field of the root of a decision tree."""
    tree = estimator.tree_
    state = tree.__getstate__()
    state["nodes"][field][0] = value
    tree.__setstate__(state)


def forest(spoil: Callable[[Any], None]) -> BaseEstimator:
    """A forest whose third tree is spoiled."""
    estimator = RandomForestClassifier(5, random_state=0).fit(X, Y)
    spoil(estimator.estimators_[2])
    return estimator


def boosting(field: str, value: int) -> BaseEstimator:
    """Histogram boosting with one node spoiled."""
    estimator = HistGradientBoostingClassifier(max_iter=2).fit(X, Y)
    estimator._predictors[1][0].nodes[field][0] = value
    return estimator


def neighbours(spoil: Callable[[Any], None]) -> BaseEstimator:
    """Neighbours whose tree is spoiled."""
    estimator = KNeighborsClassifier(algorithm="kd_tree", leaf_size=10).fit(X, Y)
    spoil(estimator._tree)
    return estimator


def wrong_order(tree: Any) -> None:
    """The number of a row that does not exist."""
    state = list(tree.__getstate__())
    state[1] = np.array(state[1])
    state[1][3] = 10_000
    tree.__setstate__(tuple(state))


def narrow_bag() -> BaseEstimator:
    """A bag that says it is narrower than its trees are."""
    estimator = BaggingClassifier(DecisionTreeClassifier(), 3, max_features=2).fit(X, Y)
    spoil_tree(estimator.estimators_[1], "feature", 3)
    return estimator


def vote_of_a_set() -> BaseEstimator:
    """Trees that vote, one of them spoiled, in what has no order."""
    trees = [(str(i), DecisionTreeClassifier(random_state=i)) for i in range(2)]
    estimator = VotingClassifier(trees).fit(X, Y)
    spoil_tree(estimator.estimators_[1], "left_child", 10_000)
    estimator.estimators_ = set(estimator.estimators_)
    del estimator.named_estimators_  # which has them too
    return estimator


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: forest(lambda t: spoil_tree(t, "left_child", 10_000)), id="branch"),
        pytest.param(lambda: forest(lambda t: spoil_tree(t, "right_child", 0)), id="circle"),
        pytest.param(lambda: forest(lambda t: spoil_tree(t, "left_child", -7)), id="negative"),
        pytest.param(lambda: forest(lambda t: spoil_tree(t, "feature", 4)), id="column"),
        pytest.param(lambda: boosting("left", 10_000), id="boosting: branch"),
        pytest.param(lambda: boosting("right", 0), id="boosting: circle"),
        pytest.param(lambda: boosting("feature_idx", 4), id="boosting: column"),
        pytest.param(lambda: neighbours(wrong_order), id="neighbours: row"),
        pytest.param(narrow_bag, id="bag of narrower trees"),
        pytest.param(vote_of_a_set, id="trees in a set"),
    ],
)
def test_a_tree_that_leads_out_of_its_arrays_is_refused(make: Callable[[], Any]) -> None:
    """Before anything is asked of it."""
    with pytest.raises(UnsafeFormat):
        require_sound(make())


def test_a_spoiled_forest_is_not_loaded(tmp_path: Path) -> None:
    """Also when its manifest pins it: scikit-learn would read far outside, or never end."""
    estimator = RandomForestClassifier(5, random_state=0).fit(X, Y)
    pack(estimator, X, tmp_path, Description(name="forest"))
    assert load(from_environment({"MODEL_PATH": str(tmp_path)})).engine.name == "trees"
    spoil_tree(estimator.estimators_[2], "feature", 100_000)
    Artifact(tmp_path).put("skops", skops.io.dumps(estimator))
    with pytest.raises(UnsafeFormat, match="does not exist"):
        load(from_environment({"MODEL_PATH": str(tmp_path)}))


@pytest.mark.parametrize("kind", [CountVectorizer, TfidfVectorizer, HashingVectorizer])
def test_a_vectorizer_that_opens_what_a_request_names_is_not_loaded(
    tmp_path: Path, kind: type
) -> None:
    """Its answers would tell whoever asks what is in the files of the server."""
    texts = np.array(["no spam here", "spam and spam"], dtype=object)
    estimator = make_pipeline(kind(), Ridge()).fit(texts, [0, 1])
    pack(estimator, texts, tmp_path, Description(name="texts"))
    assert load(from_environment({"MODEL_PATH": str(tmp_path)})).format == "skops"
    estimator.steps[0][1].input = "filename"
    Artifact(tmp_path).put("skops", skops.io.dumps(estimator))
    with pytest.raises(UnsafeFormat, match="opens the files"):
        load(from_environment({"MODEL_PATH": str(tmp_path)}))


def test_the_list_of_estimators_is_scikit_learns() -> None:
    """Made by hand so that a start need not import them all; this says when it is out of date."""
    names = {f"{kind.__module__}.{kind.__name__}" for _, kind in all_estimators()}
    assert names == ESTIMATORS
    assert not ESTIMATORS & PARTS
