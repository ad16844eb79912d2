"""ONNX files that reach out, never end, or are damaged."""

from collections.abc import Callable, Iterator
from pathlib import Path

from onnx import TensorProto, helper

from runtime.hostile_artifact import Hostile, differing, put, unloadable, unsafe
from runtime.onnx_make import graph, summed


def hostile_onnx() -> Iterator[Hostile]:
    def outside(_: Path) -> bytes:
        model = summed(width=30)
        tensor = model.graph.initializer[0]
        tensor.ClearField("int64_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/proc/self/environ")
        return model.SerializeToString()

    def foreign(domain: str) -> Callable[[Path], bytes]:
        nodes = [helper.make_node("Anything", ["x"], ["y"], domain=domain)]
        return lambda _: graph(nodes, width=30).SerializeToString()

    def endless(_: Path) -> bytes:
        body = helper.make_graph([helper.make_node("Identity", ["go"], ["on"])], "b", [], [])
        nodes = [helper.make_node("Loop", ["", "", "x"], ["y"], body=body)]
        return graph(nodes, width=30).SerializeToString()

    def narrow(_: Path) -> bytes:
        return summed(width=29).SerializeToString()

    def other_answers(_: Path) -> bytes:
        return summed(width=30).SerializeToString()

    def cut_off(_: Path) -> bytes:
        return summed(width=30).SerializeToString()[:-20]

    yield unsafe("onnx with a tensor in another file", put("onnx", outside), "in another file")
    yield unsafe(
        "onnx with a foreign operator", put("onnx", foreign("elsewhere")), "Anything of elsewhere"
    )
    yield unloadable("onnx with an unknown operator", put("onnx", foreign("")), "Anything")
    yield unsafe("onnx with a loop", put("onnx", endless), "Loop, which need not")
    yield unloadable("onnx cut off", put("onnx", cut_off), "is no onnx file")
    yield unloadable("onnx that is text", put("onnx", lambda _: b"import os\n"), "is no onnx file")
    yield unloadable("onnx that is empty", put("onnx", lambda _: b""), "is no onnx file")
    yield unloadable(
        "onnx in onnxruntime's own format",
        put("onnx", lambda _: b"\x18\0\0\0ORTM" + bytes(99)),
        "is no onnx file",
    )
    yield unloadable(
        "onnx of other columns",
        put("onnx", narrow),
        "takes 29 features, but the manifest describes 30",
    )
    yield differing("onnx of another model", put("onnx", other_answers), "golden")
