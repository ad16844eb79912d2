"""Writes one tree ensemble as an ONNX model: the few protobuf messages it takes, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_VARINT = 0
_BYTES = 2
_INT_ATTRIBUTE = 2
_TENSOR_ATTRIBUTE = 4
_INTS_ATTRIBUTE = 7
_DOUBLE = 11
_UINT8 = 2
_MAX_VARINT_BYTES = 5  # 35 bits: no index or feature number comes near


@dataclass(frozen=True, eq=False)
class Ensemble:
    """
    Trees as the flat arrays of `ai.onnx.ml` 5 TreeEnsemble.

    Inner nodes and leaves are numbered apart, each over all trees. A row goes to the true branch
    when its feature is at most the threshold. A leaf adds its weight to one target.

    Args:
        roots: for each tree its first inner node.
        features, thresholds: of each inner node.
        true_next, false_next: where each branch leads.
        true_is_leaf, false_is_leaf: whether that is the number of a leaf.
        missing_goes_true: the branch of NaN.
        leaf_targets, leaf_weights: of each leaf.
        targets: how many sums there are.
        width: features in a row.

    Source: ONNX, operator schemas of ai.onnx.ml, "TreeEnsemble".
    """

    roots: NDArray[np.int64]
    features: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    true_next: NDArray[np.int64]
    false_next: NDArray[np.int64]
    true_is_leaf: NDArray[np.int64]
    false_is_leaf: NDArray[np.int64]
    missing_goes_true: NDArray[np.int64]
    leaf_targets: NDArray[np.int64]
    leaf_weights: NDArray[np.float64]
    targets: int
    width: int


def serialize(trees: Ensemble) -> bytes:
    """The model's bytes: input `x` (rows, width) and output `y` (rows, targets), both float64."""
    modes = np.zeros(len(trees.features), np.uint8)  # BRANCH_LEQ
    attributes = [
        _int("n_targets", trees.targets),
        _int("aggregate_function", 1),  # SUM
        _int("post_transform", 0),  # NONE
        _ints("tree_roots", trees.roots),
        _ints("nodes_featureids", trees.features),
        _tensor("nodes_splits", trees.thresholds, _DOUBLE),
        _tensor("nodes_modes", modes, _UINT8),
        _ints("nodes_truenodeids", trees.true_next),
        _ints("nodes_trueleafs", trees.true_is_leaf),
        _ints("nodes_falsenodeids", trees.false_next),
        _ints("nodes_falseleafs", trees.false_is_leaf),
        _ints("nodes_missing_value_tracks_true", trees.missing_goes_true),
        _ints("leaf_targetids", trees.leaf_targets),
        _tensor("leaf_weights", trees.leaf_weights, _DOUBLE),
    ]
    node = (
        _text(1, "x")
        + _text(2, "y")
        + _text(4, "TreeEnsemble")
        + b"".join(_message(5, attribute) for attribute in attributes)
        + _text(7, "ai.onnx.ml")
    )
    graph = (
        _message(1, node)
        + _text(2, "trees")
        + _message(11, _matrix("x", trees.width))
        + _message(12, _matrix("y", trees.targets))
    )
    return (
        _number(1, 9)  # IR version
        + _message(7, graph)
        + _message(8, _text(1, "") + _number(2, 18))
        + _message(8, _text(1, "ai.onnx.ml") + _number(2, 5))
    )


def varints(numbers: NDArray[np.int64] | Sequence[int]) -> bytes:
    """Protobuf's variable-length form of each number, one after the other."""
    column = np.asarray(numbers, dtype=np.uint64)[:, None]
    shifts = np.arange(_MAX_VARINT_BYTES, dtype=np.uint64) * np.uint64(7)
    shifted = column >> shifts
    more = (shifted >> np.uint64(7)) > 0
    parts = (shifted & np.uint64(0x7F)) | (more.astype(np.uint64) << np.uint64(7))
    kept = np.ones_like(more)
    kept[:, 1:] = more[:, :-1]
    return parts[kept].astype(np.uint8).tobytes()


def _tag(field: int, wire_type: int) -> bytes:
    return varints([field << 3 | wire_type])


def _number(field: int, value: int) -> bytes:
    return _tag(field, _VARINT) + varints([value])


def _message(field: int, content: bytes) -> bytes:
    return _tag(field, _BYTES) + varints([len(content)]) + content


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _int(name: str, value: int) -> bytes:
    return _text(1, name) + _number(3, value) + _number(20, _INT_ATTRIBUTE)


def _ints(name: str, values: NDArray[np.int64]) -> bytes:
    return _text(1, name) + _message(8, varints(values)) + _number(20, _INTS_ATTRIBUTE)


def _tensor(name: str, values: NDArray[np.float64] | NDArray[np.uint8], type_: int) -> bytes:
    tensor = (
        _number(1, len(values))
        + _number(2, type_)
        + _text(8, name)
        + _message(9, np.ascontiguousarray(values).tobytes())
    )
    return _text(1, name) + _message(5, tensor) + _number(20, _TENSOR_ATTRIBUTE)


def _matrix(name: str, width: int) -> bytes:
    """A float64 matrix of any number of rows."""
    shape = _message(1, _text(2, "rows")) + _message(1, _number(1, width))
    tensor_type = _number(1, _DOUBLE) + _message(2, shape)
    return _text(1, name) + _message(2, _message(1, tensor_type))
