"""Bodies that can be sent as they are, for every prediction route."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from modelserver_runtime.artifact import Feature, Manifest
from modelserver_runtime.dialects.open_inference import tensor_metadata

JSON = "application/json"
CSV = "text/csv"

Examples = Mapping[str, Any]
"""Bodies by what they show."""


def body_examples(manifest: Manifest) -> dict[str, dict[str, Examples]]:
    """Examples by path and content type."""
    row = example_row(manifest)
    infer = {JSON: _inferences(manifest, row)}
    return {
        "/predict": {JSON: {"a row": row}},
        "/batch-predict": {JSON: {"two rows": {"records": [row, row]}}},
        "/invocations": {JSON: _invocations(row), CSV: {"a row": _as_csv(row)}},
        "/v1/models/{name}:predict": {
            JSON: {
                "lists": {"instances": [list(row.values())]},
                "objects": {"instances": [row]},
            }
        },
        "/v2/models/{name}/infer": infer,
        "/v2/models/{name}/versions/{version}/infer": infer,
    }


def example_row(manifest: Manifest) -> dict[str, Any]:
    """A row of the model: the first golden one, else the middle of each range."""
    features = manifest.signature.features
    if manifest.golden is not None and manifest.golden.rows:
        return dict(zip(manifest.signature.names, manifest.golden.rows[0], strict=True))
    return {feature.name: _example(feature) for feature in features}


def _example(feature: Feature) -> Any:
    if feature.type == "string":
        return feature.categories[0] if feature.categories else ""
    if feature.type == "bool":
        return False
    middle = ((feature.minimum or 0.0) + (feature.maximum or 0.0)) / 2
    return int(middle) if feature.type == "int64" else middle


def _invocations(row: Mapping[str, Any]) -> Examples:
    values = list(row.values())
    return {
        "dataframe_split": {"dataframe_split": {"columns": list(row), "data": [values]}},
        "dataframe_records": {"dataframe_records": [row]},
        "instances": {"instances": [values]},
        "inputs": {"inputs": {name: [value] for name, value in row.items()}},
    }


def _inferences(manifest: Manifest, row: Mapping[str, Any]) -> Examples:
    inputs, outputs = tensor_metadata(manifest)
    tensors = [
        {"name": name, "shape": [1], "datatype": datatype, "data": [row[name]]}
        for name, datatype in ((i["name"], i["datatype"]) for i in inputs)
    ]
    wanted = [{"name": output["name"]} for output in outputs]
    examples = {"a tensor for each feature": {"inputs": tensors, "outputs": wanted}}
    if any(i["datatype"] not in ("FP64", "INT64") for i in inputs):
        return examples
    values = list(row.values())
    matrix = {"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": values}
    return {"one tensor": {"inputs": [matrix]}, **examples}


def _as_csv(row: Mapping[str, Any]) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows([row.keys(), row.values()])
    return file.getvalue()
