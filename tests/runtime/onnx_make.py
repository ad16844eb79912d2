"""ONNX files, and artifacts of them."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onnx import ModelProto, TensorProto, helper
from skl2onnx import to_onnx

from modelserver_runtime.packing import Description, pack

FLOAT32_TOLERANCE = 1e-5
WIDTH = 4


def converted(estimator: Any, like: Any, options: dict[int, Any] | None = None) -> bytes:
    """
    What skl2onnx makes of an estimator.

    Args:
        estimator: fitted.
        like: what it is asked with: gives inputs their types.
        options: skl2onnx's, by the id of an estimator.
    """
    return to_onnx(estimator, like, options=options or None).SerializeToString()


def artifact_of(content: bytes, estimator: Any, training: Any, folder: Path, **more: Any) -> str:
    """
    An artifact whose only model file is *content*, its answers recorded from scikit-learn.

    Returns:
        Its digest.
    """
    pack(estimator, training, folder, Description(name="model", **more))
    (folder / "model.skops").unlink()
    (folder / "model.onnx").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    manifest["files"] = [
        {"path": "model.onnx", "sha256": digest, "size": len(content), "format": "onnx"}
    ]
    manifest["golden"]["tolerance"] = FLOAT32_TOLERANCE
    text = json.dumps(manifest)
    (folder / "manifest.json").write_text(text)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def graph(
    nodes: Sequence[Any],
    *,
    initializers: Sequence[Any] = (),
    width: int = WIDTH,
    outputs: int = 1,
    inputs: Sequence[Any] = (),
) -> ModelProto:
    """A model of *nodes* from `x` (rows, width) to `y` (rows, outputs)."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, outputs])
    made = helper.make_graph(nodes, "g", inputs or [x], [y], list(initializers))
    domains = [helper.make_opsetid(*d) for d in (("", 18), ("ai.onnx.ml", 3), ("elsewhere", 1))]
    return helper.make_model(made, opset_imports=domains, ir_version=9)


def summed(*, axis: int = 1, width: int = WIDTH, inputs: Sequence[Any] = ()) -> ModelProto:
    """The sum of each row."""
    node = helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=1)
    table = helper.make_tensor("axis", TensorProto.INT64, [1], [axis])
    return graph([node], width=width, initializers=[table], inputs=inputs)
