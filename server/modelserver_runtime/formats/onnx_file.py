"""Reads ONNX files, as skl2onnx and others write them for models of tables."""

from typing import Any

from modelserver_runtime.engines.onnx_estimator import (
    COLUMN_TYPES,
    OnnxEstimator,
    OnnxInput,
    as_python_says,
)
from modelserver_runtime.errors import ModelLoadFailed, UnsafeFormat
from modelserver_runtime.formats.onnx_outline import (
    labels_of,
    nodes_of,
    read_outline,
    tensors_of,
)

MAX_NODES = 10_000
MAX_INPUTS = 10_000

_DOMAINS = frozenset({b"", b"ai.onnx", b"ai.onnx.ml"})

# What skl2onnx writes beyond the standard, for texts and for neighbours.
_CONTRIBUTED = frozenset({(b"com.microsoft", b"CDist"), (b"com.microsoft", b"Tokenizer")})

# It need not end, and what it does can be said without it: skl2onnx does.
_REFUSED = frozenset({b"Loop"})


def parse_onnx(content: bytes) -> OnnxEstimator:
    """
    Make an estimator of the model *content*, which onnxruntime computes.

    It opens no other file: tensors must lie in the file itself. It loads no other code: operators
    are those of the standard.

    Raises:
        UnsafeFormat: other files, operators or sizes.
        ModelLoadFailed: inputs or outputs that no table has.
        ValueError: the file is damaged.
    """
    model = read_outline(content)
    _require_safe(model)
    labels = labels_of(model.graph)
    session, failures = _session(content)
    inputs = [_input(given) for given in session.get_inputs()]
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise ModelLoadFailed(f"the ONNX model takes {len(inputs)} inputs")
    if len(inputs) > 1 and any(each.width is None for each in inputs):
        raise ModelLoadFailed("the ONNX model has several inputs, and one does not say how wide")
    outputs = [output.name for output in session.get_outputs()]
    estimator = OnnxEstimator(session, inputs, outputs[:2], failures)
    return estimator.with_classes(labels) if labels else estimator


def _require_safe(model: Any) -> None:
    if len(model.functions):
        raise UnsafeFormat("the ONNX model has functions of its own, which are not loaded")
    for count, node in enumerate(nodes_of(model.graph), start=1):
        if count > MAX_NODES:
            raise UnsafeFormat(f"the ONNX model has more than {MAX_NODES} nodes")
        operator = node.op_type.decode(errors="replace")
        if node.domain not in _DOMAINS and (node.domain, node.op_type) not in _CONTRIBUTED:
            domain = node.domain.decode(errors="replace")
            raise UnsafeFormat(
                f"the ONNX model uses {operator} of {domain}, which is not of the standard"
            )
        if node.op_type in _REFUSED:
            raise UnsafeFormat(f"the ONNX model uses {operator}, which need not end")
    for tensor in tensors_of(model.graph):
        # Also what is no location at all, and onnxruntime's addresses in memory.
        if tensor.data_location != 0 or len(tensor.external_data):
            raise UnsafeFormat("the ONNX model keeps a tensor in another file")


def _session(content: bytes) -> tuple[Any, Any]:
    """Onnxruntime's session, and what it raises."""
    import onnxruntime  # noqa: PLC0415 - 50 MB and half a second that only these files need
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

    failures = (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    )
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # What another machine computed is compared with what this one does: nothing that depends on it.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Else a file with another mark at its beginning is read by another parser than ours.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except failures as error:
        raise as_python_says(error) from error
    return session, failures


def _input(given: Any) -> OnnxInput:
    if given.type not in COLUMN_TYPES:
        raise ModelLoadFailed(f"the ONNX model's input {given.name} is a {given.type}")
    shape = list(given.shape or ())
    if len(shape) not in (1, 2):
        raise ModelLoadFailed(f"the ONNX model's input {given.name} is no table: {shape}")
    if isinstance(shape[0], int):
        raise ModelLoadFailed(f"the ONNX model takes {shape[0]} rows at a time, no other number")
    is_flat = len(shape) == 1
    width = 1 if is_flat else shape[1]
    return OnnxInput(
        given.name, given.type, width if isinstance(width, int) and width > 0 else None, is_flat
    )
