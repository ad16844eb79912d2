"""Forests and boosting as one ONNX TreeEnsemble node in float64, exact to the last bits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelserver_runtime.engines import Outcome, Rows, Unsupported, as_float32, kind_of
from modelserver_runtime.engines.logistic import probability_of
from modelserver_runtime.engines.onnx_graph import Ensemble, serialize
from modelserver_runtime.engines.preprocessing import Scaling, split

Matrix = NDArray[np.float64]

_MAX_NODES = 5_000_000


@dataclass(frozen=True, eq=False)
class Tree:
    """
    One tree that adds to one target, or a tree whose every leaf adds to a target of its own.

    Args:
        left, right: next node of each node; the children of a leaf are never read.
        is_leaf: whether a node is one.
        features, thresholds, missing_goes_left: of each inner node.
        weights, targets: of each leaf.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    is_leaf: NDArray[np.bool_]
    features: NDArray[np.int64]
    thresholds: Matrix
    missing_goes_left: NDArray[np.int64]
    weights: Matrix
    targets: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Plan:
    """
    How an estimator's answer comes out of sums over trees.

    Args:
        trees: in the order scikit-learn adds them, so that sums round alike.
        targets: how many sums.
        rounds_input: whether rows are rounded to float32 first.
        finish: makes the outcome of the sums, shape (rows, targets).
    """

    trees: Sequence[Tree]
    targets: int
    rounds_input: bool
    finish: Callable[[Matrix], Outcome]


class TreesEngine:
    """
    Ask onnxruntime for the sums over all trees.

    Args:
        estimator: forest, boosting or a single tree, perhaps behind scalers.
        threads: that onnxruntime may use.

    Raises:
        Unsupported.
    """

    name = "trees"

    def __init__(self, estimator: Any, *, threads: int = 1) -> None:
        scalings, model = split(estimator)
        plan = _plan(model)
        self._scalings: Sequence[Scaling] = scalings
        self._finish = plan.finish
        self._rounds_input = plan.rounds_input
        self._session = _session(
            serialize(_flatten(plan, int(model.n_features_in_))), threads=threads
        )
        self.splits = _unscaled(_splits(plan), scalings, int(model.n_features_in_))

    def run(self, rows: Rows) -> Outcome:
        """Answer *rows*."""
        for scaling in self._scalings:
            rows = scaling(rows)
        if self._rounds_input:
            rows = as_float32(rows).astype(np.float64)
        return self._finish(self._session.run(None, {"x": np.ascontiguousarray(rows)})[0])


def _session(model: bytes, *, threads: int) -> Any:
    import onnxruntime  # noqa: PLC0415 - 50 MB and half a second that only this engine needs

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # One node: there is nothing to optimize, and an arena only keeps what was once needed.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _plan(model: Any) -> Plan:
    make = _PLANS.get(kind_of(model))
    if make is None:
        raise Unsupported(f"{type(model).__name__} is no tree ensemble")
    return make(model)


def _plan_voting(model: Any) -> Plan:
    if model.n_outputs_ != 1:
        raise Unsupported("several outputs")
    estimators = getattr(model, "estimators_", [model])
    count, classes = len(estimators), np.asarray(model.classes_)
    values = [e.tree_.value[:, 0, :] for e in estimators]
    if all(_is_pure(e.tree_, v) for e, v in zip(estimators, values, strict=True)):
        # Fully grown trees: a leaf votes for one class, and sums of ones are exact in any order.
        trees = [
            _sklearn_tree(e.tree_, np.ones(len(v)), v.argmax(axis=1))
            for e, v in zip(estimators, values, strict=True)
        ]
    else:
        trees = [
            _sklearn_tree(e.tree_, v[:, k], np.full(len(v), k))
            for k in range(len(classes))
            for e, v in zip(estimators, values, strict=True)
        ]

    def finish(sums: Matrix) -> Outcome:
        probabilities = sums / count
        chosen = probabilities.argmax(axis=1)
        return Outcome(classes[chosen], probabilities, probabilities[np.arange(len(sums)), chosen])

    return Plan(trees, len(classes), rounds_input=True, finish=finish)


def _is_pure(tree: Any, values: Matrix) -> bool:
    leaves = values[tree.children_left < 0]
    return bool(((leaves == 0) | (leaves == 1)).all())


def _plan_averaging(model: Any) -> Plan:
    if model.n_outputs_ != 1:
        raise Unsupported("several outputs")
    estimators = getattr(model, "estimators_", [model])
    count = len(estimators)
    trees = [
        _sklearn_tree(e.tree_, e.tree_.value[:, 0, 0], np.zeros(e.tree_.node_count, np.int64))
        for e in estimators
    ]
    return Plan(trees, 1, rounds_input=True, finish=lambda sums: Outcome(sums[:, 0] / count))


def _plan_boosting(model: Any) -> Plan:
    stages, targets = model.estimators_.shape
    # Also checks that the start is the same for every row, which a custom `init` need not be.
    probe = np.vstack([np.zeros((1, model.n_features_in_)), np.ones((1, model.n_features_in_))])
    starts = model._raw_predict_init(probe)  # noqa: SLF001 - there is no public name for it
    if model.init_ != "zero" and type(model.init_).__name__ not in _CONSTANT_STARTS:
        raise Unsupported(f"{type(model.init_).__name__} as init")
    trees = [_constant_tree(start, k) for k, start in enumerate(starts[0])]
    for stage in range(stages):
        for k in range(targets):
            tree = model.estimators_[stage, k].tree_
            weights = model.learning_rate * tree.value[:, 0, 0]
            trees.append(_sklearn_tree(tree, weights, np.full(tree.node_count, k)))
    if not hasattr(model, "classes_"):
        return Plan(trees, 1, rounds_input=True, finish=lambda sums: Outcome(sums[:, 0]))
    # At zero this family says the second class, histogram boosting the first.
    finish = _boosted_classes(model, np.greater_equal)
    return Plan(trees, targets, rounds_input=True, finish=finish)


_CONSTANT_STARTS = ("DummyClassifier", "DummyRegressor")


def _plan_histogram_boosting(model: Any) -> Plan:
    if getattr(model, "is_categorical_", None) is not None:
        raise Unsupported("categorical splits")
    targets = model.n_trees_per_iteration_
    starts = np.ravel(model._baseline_prediction)  # noqa: SLF001 - there is no public name for it
    trees = [_constant_tree(start, k) for k, start in enumerate(starts)]
    for iteration in model._predictors:  # noqa: SLF001 - the same
        trees += [_histogram_tree(predictor.nodes, k) for k, predictor in enumerate(iteration)]
    if hasattr(model, "classes_"):
        finish = _boosted_classes(model, np.greater)
    else:
        inverse = model._loss.link.inverse  # noqa: SLF001 - the same
        finish = lambda sums: Outcome(inverse(sums[:, 0]))  # noqa: E731 - as short as its sibling
    return Plan(trees, targets, rounds_input=False, finish=finish)


_PLANS: Mapping[str, Callable[[Any], Plan]] = {
    "ensemble.ExtraTreesClassifier": _plan_voting,
    "ensemble.ExtraTreesRegressor": _plan_averaging,
    "ensemble.GradientBoostingClassifier": _plan_boosting,
    "ensemble.GradientBoostingRegressor": _plan_boosting,
    "ensemble.HistGradientBoostingClassifier": _plan_histogram_boosting,
    "ensemble.HistGradientBoostingRegressor": _plan_histogram_boosting,
    "ensemble.RandomForestClassifier": _plan_voting,
    "ensemble.RandomForestRegressor": _plan_averaging,
    "tree.DecisionTreeClassifier": _plan_voting,
    "tree.DecisionTreeRegressor": _plan_averaging,
    "tree.ExtraTreeClassifier": _plan_voting,
    "tree.ExtraTreeRegressor": _plan_averaging,
}
TREE_KINDS = _PLANS.keys()


def _boosted_classes(
    model: Any, is_second: Callable[[Matrix, float], NDArray[np.bool_]]
) -> Callable[[Matrix], Outcome]:
    classes = np.asarray(model.classes_)
    loss = model._loss  # noqa: SLF001 - scikit-learn's own last step, so that it cannot differ
    is_logistic = kind_of(loss) == "_loss.HalfBinomialLoss"
    zero_is_second = bool(is_second(np.zeros(1), 0.0)[0])

    def one_binary(score: float) -> Outcome:
        """A single row in plain Python: most requests are this."""
        p = probability_of(score)
        if score > 0 or (zero_is_second and score == 0):
            return Outcome(classes[1:], np.array(((1 - p, p),)), np.array((p,)))
        return Outcome(classes[:1], np.array(((1 - p, p),)), np.array((1 - p,)))

    def finish(sums: Matrix) -> Outcome:
        if sums.size == 1 and is_logistic:
            return one_binary(sums.item())
        if sums.shape[1] == 1:
            chosen = is_second(sums[:, 0], 0.0).astype(np.intp)
        else:
            chosen = sums.argmax(axis=1)
        probabilities = loss.predict_proba(np.asfortranarray(sums))
        return Outcome(classes[chosen], probabilities, probabilities[np.arange(len(sums)), chosen])

    return finish


def _sklearn_tree(tree: Any, weights: Matrix, targets: NDArray[np.int64]) -> Tree:
    is_leaf = tree.children_left < 0
    missing = tree.missing_go_to_left
    return Tree(
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        is_leaf=is_leaf,
        features=tree.feature[~is_leaf].astype(np.int64),
        thresholds=tree.threshold[~is_leaf].astype(np.float64),
        missing_goes_left=np.asarray(missing)[~is_leaf].astype(np.int64),
        weights=np.asarray(weights)[is_leaf].astype(np.float64),
        targets=np.asarray(targets)[is_leaf].astype(np.int64),
    )


def _histogram_tree(nodes: Any, target: int) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    inner = nodes[~is_leaf]
    if inner["is_categorical"].any():
        raise Unsupported("categorical splits")
    return Tree(
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        is_leaf=is_leaf,
        features=inner["feature_idx"].astype(np.int64),
        thresholds=inner["num_threshold"].astype(np.float64),
        missing_goes_left=inner["missing_go_to_left"].astype(np.int64),
        weights=nodes["value"][is_leaf].astype(np.float64),
        targets=np.full(int(is_leaf.sum()), target, np.int64),
    )


def _constant_tree(weight: float, target: int) -> Tree:
    """A tree that adds *weight* whatever the row says: where boosting starts from."""
    none = np.zeros(0, np.int64)
    return Tree(
        none,
        none,
        np.ones(1, np.bool_),
        none,
        np.zeros(0),
        none,
        np.array([float(weight)]),
        np.array([target], np.int64),
    )


def _flatten(plan: Plan, width: int) -> Ensemble:
    if sum(len(tree.is_leaf) for tree in plan.trees) > _MAX_NODES:
        raise Unsupported(f"more than {_MAX_NODES} nodes")
    parts: list[tuple[Any, ...]] = []
    roots: list[int] = []
    inner_base = leaf_base = 0
    for tree in plan.trees:
        roots.append(inner_base)
        part, inner, leaves = _flatten_one(tree, inner_base, leaf_base)
        parts.append(part)
        inner_base += inner
        leaf_base += leaves
    features, thresholds, true_next, false_next, true_is_leaf, false_is_leaf, missing = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    weights = np.concatenate([tree.weights for tree in plan.trees])
    targets = np.concatenate([tree.targets for tree in plan.trees])
    return Ensemble(
        roots=np.array(roots),
        features=features,
        thresholds=thresholds,
        true_next=true_next,
        false_next=false_next,
        true_is_leaf=true_is_leaf,
        false_is_leaf=false_is_leaf,
        missing_goes_true=missing,
        leaf_targets=targets,
        leaf_weights=weights,
        targets=plan.targets,
        width=width,
    )


def _flatten_one(tree: Tree, inner_base: int, leaf_base: int) -> tuple[tuple[Any, ...], int, int]:
    """Columns of one tree with nodes and leaves numbered on; and how many of each there are."""
    leaves = int(tree.is_leaf.sum())
    inner = len(tree.is_leaf) - leaves
    if inner == 0:
        # A node is needed to hang the leaf on: both its branches lead there.
        zero, one = np.zeros(1, np.int64), np.ones(1, np.int64)
        leaf = np.array([leaf_base], np.int64)
        return (zero, np.zeros(1), leaf, leaf, one, one, zero), 1, leaves
    numbers = np.where(
        tree.is_leaf,
        leaf_base + np.cumsum(tree.is_leaf) - 1,
        inner_base + np.cumsum(~tree.is_leaf) - 1,
    )
    left, right = tree.left[~tree.is_leaf], tree.right[~tree.is_leaf]
    columns = (
        tree.features,
        tree.thresholds,
        numbers[left],
        numbers[right],
        tree.is_leaf[left].astype(np.int64),
        tree.is_leaf[right].astype(np.int64),
        tree.missing_goes_left,
    )
    return columns, inner, leaves


def _splits(plan: Plan) -> tuple[NDArray[np.int64], Matrix]:
    """Feature and threshold of every split, each pair once."""
    features = np.concatenate([tree.features for tree in plan.trees])
    thresholds = np.concatenate([tree.thresholds for tree in plan.trees])
    pairs = np.unique(np.column_stack((features.astype(np.float64), thresholds)), axis=0)
    return pairs[:, 0].astype(np.int64), pairs[:, 1]


def _unscaled(
    splits: tuple[NDArray[np.int64], Matrix], scalings: Sequence[Scaling], width: int
) -> tuple[NDArray[np.int64], Matrix]:
    """The splits in the units of requests, up to rounding."""
    features, values = splits
    for scaling in reversed(scalings):
        factor, offset = scaling.affine(width)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            values = (values - offset[features]) / factor[features]
    return features, values
