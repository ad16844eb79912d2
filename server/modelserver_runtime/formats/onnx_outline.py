"""What of an ONNX file decides whether it is loaded: its operators and where its tensors lie."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

# Of each message of onnx.proto the fields that are looked at: number and type. "*" is repeated.
# All others are skipped by protobuf. Texts are bytes: nothing is said about their encoding.
_OUTLINE: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Model": {"graph": (7, "Graph"), "functions": (25, "*Function")},
    "Function": {"node": (7, "*Node")},
    "Graph": {
        "node": (1, "*Node"),
        "initializer": (5, "*Tensor"),
        "output": (12, "*Value"),
        "sparse_initializer": (15, "*Sparse"),
    },
    "Value": {"name": (1, "bytes")},
    "Node": {
        "input": (1, "*bytes"),
        "output": (2, "*bytes"),
        "op_type": (4, "bytes"),
        "attribute": (5, "*Attribute"),
        "domain": (7, "bytes"),
    },
    "Attribute": {
        "name": (1, "bytes"),
        "t": (5, "Tensor"),
        "g": (6, "Graph"),
        "ints": (8, "*int64"),
        "strings": (9, "*bytes"),
        "tensors": (10, "*Tensor"),
        "graphs": (11, "*Graph"),
        "sparse_tensor": (22, "Sparse"),
        "sparse_tensors": (23, "*Sparse"),
    },
    "Sparse": {"values": (1, "Tensor"), "indices": (2, "Tensor")},
    "Tensor": {
        "data_type": (2, "int32"),
        "int32_data": (5, "*int32"),
        "string_data": (6, "*bytes"),
        "int64_data": (7, "*int64"),
        "name": (8, "bytes"),
        "raw_data": (9, "bytes"),
        "external_data": (13, "*bytes"),
        "data_location": (14, "int32"),
    },
}


def read_outline(content: bytes) -> Any:
    """
    Read the outline of the ONNX model *content*.

    By protobuf itself, as onnxruntime does: two parsers that disagree would be a way past us.

    Raises:
        ValueError: it is no protobuf message, or nested too deeply.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - only for ONNX files

    model = _message_type()()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    return model


def nodes_of(graph: Any) -> Iterator[Any]:
    """Every node of *graph* (or function), and of the graphs inside its nodes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in _graphs_of(attribute):
                yield from nodes_of(inner)


def tensors_of(graph: Any) -> Iterator[Any]:
    """Every tensor that *graph* (or function) holds, wherever in it."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for inner in _graphs_of(attribute):
                yield from tensors_of(inner)


def labels_of(graph: Any) -> list[Any]:
    """
    The classes of a classifier in the order of their probabilities; empty where it does not tell.

    They stand in the node that makes the first output, or in a table that it looks them up in.
    """
    makers = {output: node for node in graph.node for output in node.output}
    tables = {tensor.name: tensor for tensor in graph.initializer}
    name = graph.output[0].name if len(graph.output) else b""
    for _ in range(_STEPS_BACK):
        node = makers.get(name)
        if node is None or not len(node.input):
            return []
        for attribute in node.attribute:
            if attribute.name.startswith(b"classlabels_"):
                return [*attribute.ints, *(text.decode() for text in attribute.strings)]
        name = node.input[0]
        if node.op_type == b"ArrayFeatureExtractor" and name in tables:
            return _values(tables[name])
        if node.op_type not in _KEEPS_LABELS:
            return []
    return []


_STEPS_BACK = 8
_KEEPS_LABELS = frozenset({b"Cast", b"Identity", b"Reshape", b"ZipMap"})


def _values(tensor: Any) -> list[Any]:
    if len(tensor.raw_data) and tensor.data_type in _WHOLE_NUMBERS:
        raw = np.frombuffer(tensor.raw_data, _WHOLE_NUMBERS[tensor.data_type])
        return [int(value) for value in raw]
    texts = [text.decode() for text in tensor.string_data]
    return [*tensor.int32_data, *tensor.int64_data, *texts]


_WHOLE_NUMBERS: Mapping[int, str] = {6: "<i4", 7: "<i8"}  # INT32 and INT64 of TensorProto


def _graphs_of(attribute: Any) -> list[Any]:
    return [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


@cache
def _message_type() -> Any:
    """The class of an ONNX model, with no field but those of the outline."""
    from google.protobuf import (  # noqa: PLC0415 - see read_outline
        descriptor_pb2,
        descriptor_pool,
        message_factory,
    )

    scalars = {
        "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
        "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
        "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    }
    file = descriptor_pb2.FileDescriptorProto(name="outline.proto", package="onnx_outline")
    for name, fields in _OUTLINE.items():
        message = file.message_type.add(name=name)
        for field_name, (number, type_) in fields.items():
            field = message.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if type_[0] == "*" else field.LABEL_OPTIONAL
            kind = type_.removeprefix("*")
            if kind in scalars:
                field.type = scalars[kind]
            else:
                field.type, field.type_name = field.TYPE_MESSAGE, f".onnx_outline.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("onnx_outline.Model"))
