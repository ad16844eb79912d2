"""Files that ask for more memory or time than there is."""

import operator
from collections.abc import Iterator
from pathlib import Path

from onnx import TensorProto, helper

from runtime.artifact_make import Artifact
from runtime.hostile_artifact import MIB, Calls, Hostile, Settings, dumped
from runtime.hostile_skops import schema_of, skops_file
from runtime.onnx_make import graph


def hostile_bombs() -> Iterator[Hostile]:
    limit = {"memory_limit_bytes": str(512 * MIB)}

    def inflating(artifact: Artifact, _: Path) -> Settings:
        schema, files = schema_of(artifact.folder)
        files[next(iter(files))] = bytes(1024 * MIB)
        artifact.put("skops", skops_file(schema, files))
        return limit

    def growing(artifact: Artifact, _: Path) -> Settings:
        artifact.put("joblib", dumped(Calls(operator.mul, b"x", 2**32)))
        return {**limit, "model_formats": "joblib", "model_digest": artifact.digest}

    def absurd(artifact: Artifact, _: Path) -> Settings:
        shape = helper.make_tensor("shape", TensorProto.INT64, [1], [2**40])
        nodes = [
            helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
            helper.make_node("Add", ["x", "sum"], ["y"]),
        ]
        model = graph(nodes, initializers=[shape], width=30)
        artifact.put("onnx", model.SerializeToString())
        return limit

    def waiting(artifact: Artifact, _: Path) -> Settings:
        artifact.put("joblib", dumped(Calls(sum, range(10**14))))
        pinned = {"model_formats": "joblib", "model_digest": artifact.digest}
        return {**pinned, "load_timeout_seconds": "1"}

    for name, spoil in (("zip", inflating), ("pickle", growing), ("matrix", absurd)):
        yield Hostile(
            f"bomb: a {name}",
            spoil,
            "ModelTooLarge",
            "more than 90% of 512 MiB",
            only_in_process_of_its_own=True,
        )
    yield Hostile(
        "bomb: a sum that never ends",
        waiting,
        "LoadTimeout",
        "within 1 seconds",
        only_in_process_of_its_own=True,
    )
