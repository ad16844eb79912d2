"""The dialects and /predict: many forms, one opinion of what a value may be."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserver_runtime.artifact import Feature, Manifest, Signature
from modelserver_runtime.codec import Codec
from modelserver_runtime.dialects.csv_table import decode_csv
from modelserver_runtime.dialects.kserve_v1 import decode_v1
from modelserver_runtime.dialects.mlflow import decode_invocation
from modelserver_runtime.dialects.open_inference import OpenInferenceCodec
from modelserver_runtime.engines import Rows
from modelserver_runtime.errors import InvalidRequest
from modelserver_runtime.tables import Tables

MIXED = Signature(
    features=(
        Feature(name="size"),
        Feature(name="mean radius", nullable=True),
        Feature(name="count", type="int64"),
        Feature(name="rank", type="int64", nullable=True),
        Feature(name="flag", type="bool"),
        Feature(name="colour", type="string"),
        Feature(name="note", type="string", nullable=True),
    ),
    outputs=(),
)
NUMBERS = Signature(features=(Feature(name="a"), Feature(name="b"), Feature(name="c")), outputs=())
NUMERIC = Signature(
    features=(
        Feature(name="a"),
        Feature(name="b", nullable=True),
        Feature(name="c", type="int64"),
        Feature(name="d", type="bool"),
    ),
    outputs=(),
)
DATATYPES = {"float64": "FP64", "int64": "INT64", "bool": "BOOL", "string": "BYTES"}

CELLS = st.one_of(
    st.sampled_from(
        ["1.5", "3", "-0.0", "-0", "null", "true", "false", '"red"', '""', '"1"', "1e999", "1e2",
         "-1e999", "9" * 400, "1." + "0" * 400, "NaN", "Infinity", "1e-999", "01", "+1", "1.", ".5",
         "1e", "[]", "{}", "[1]", "9223372036854775807", "9223372036854775808", "1.0", "nul",
         "-9223372036854775809", '"\\ud800"', "9007199254740993"]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(json.dumps),
    st.integers().map(json.dumps),
    st.text(max_size=5).map(json.dumps),
)  # fmt: skip
GOOD_CELLS: Mapping[str, st.SearchStrategy[str]] = {
    "float64": st.floats(allow_nan=False, allow_infinity=False).map(json.dumps),
    "int64": st.integers(-(2**63), 2**63 - 1).map(json.dumps),
    "bool": st.booleans().map(json.dumps),
    "string": st.text(max_size=5).map(json.dumps),
}

Row = Mapping[str, str]  # JSON by column


@st.composite
def tables(draw: st.DrawFn) -> tuple[Signature, list[Row]]:
    """One to three rows, at most one cell of them anything."""
    signature = draw(st.sampled_from([MIXED, NUMBERS, NUMERIC]))
    rows = [
        {
            f.name: draw(
                st.one_of(GOOD_CELLS[f.type], st.just("null")) if f.nullable else GOOD_CELLS[f.type]
            )
            for f in signature.features
        }
        for _ in range(draw(st.integers(1, 3)))
    ]
    if draw(st.booleans()):
        draw(st.sampled_from(rows))[draw(st.sampled_from(signature.names))] = draw(CELLS)
    return signature, rows


def as_object(row: Row) -> str:
    return "{" + ",".join(f"{json.dumps(k)}:{v}" for k, v in row.items()) + "}"


def as_list(row: Row, names: Sequence[str]) -> str:
    return "[" + ",".join(row[name] for name in names) + "]"


def as_lists(rows: Sequence[Row], names: Sequence[str]) -> str:
    return "[" + ",".join(as_list(row, names) for row in rows) + "]"


def as_objects(rows: Sequence[Row]) -> str:
    return "[" + ",".join(map(as_object, rows)) + "]"


def as_columns(rows: Sequence[Row], names: Sequence[str]) -> str:
    columns = (f"{json.dumps(n)}:[{','.join(row[n] for row in rows)}]" for n in names)
    return "{" + ",".join(columns) + "}"


def as_tensors(rows: Sequence[Row], signature: Signature) -> str:
    tensors = (
        f'{{"name":{json.dumps(f.name)},"shape":[{len(rows)}],"datatype":"{DATATYPES[f.type]}",'
        f'"data":[{",".join(row[f.name] for row in rows)}]}}'
        for f in signature.features
    )
    return f'{{"inputs":[{",".join(tensors)}]}}'


def all_forms(rows: Sequence[Row], signature: Signature) -> dict[str, str]:
    """The same rows in every JSON form of MLflow's protocol."""
    names, turned = signature.names, signature.names[::-1]
    split = f'{{"columns":{json.dumps(turned)},"data":{as_lists(rows, turned)}}}'
    forms = {
        "dataframe_split": split,
        "dataframe_records": as_objects(rows),
        "instances": as_lists(rows, names),
        "inputs": as_columns(rows, turned),
    }
    bodies = {form: f'{{"{form}":{json_}}}' for form, json_ in forms.items()}
    bodies["inputs of objects"] = f'{{"inputs":{as_objects(rows)}}}'
    return bodies


def readers(signature: Signature) -> tuple[Codec, Tables, OpenInferenceCodec]:
    codec = Codec(signature, max_rows=1000)
    tables = Tables(signature, codec)
    manifest = Manifest(
        schema_version=1, name="m", version="1", task="regression", created="", files=(),
        signature=signature,
    )  # fmt: skip
    return codec, tables, OpenInferenceCodec(manifest, "m", tables, 1000)


READERS = {id(signature): readers(signature) for signature in (MIXED, NUMBERS, NUMERIC)}


def verdict(decode: Callable[[bytes], Rows], body: str) -> tuple[list[Any], list[Any], Any] | None:
    """The rows and the types of their cells, or None for a refusal."""
    try:
        rows = decode(body.encode("utf-8", "surrogatepass"))
    except InvalidRequest:
        return None
    # NaN stands for a missing number, and equals nothing: compared as text.
    return [*map(repr, rows.ravel().tolist())], [*map(type, rows.ravel().tolist())], rows.dtype


@given(tables())
def test_every_form_takes_and_refuses_the_same_values(table: tuple[Signature, list[Row]]) -> None:
    """What /batch-predict makes of the rows, all dialects make of them, to the type of a cell."""
    signature, rows = table
    codec, reader, v2 = READERS[id(signature)]
    want = verdict(codec.decode_batch, f'{{"records":{as_objects(rows)}}}')
    for form, body in all_forms(rows, signature).items():
        assert verdict(lambda b: decode_invocation(reader, b), body) == want, form
    for key in ("instances", "inputs"):
        for json_ in (as_objects(rows), as_lists(rows, signature.names)):
            assert verdict(lambda b: decode_v1(reader, b), f'{{"{key}":{json_}}}') == want
    assert verdict(lambda b: v2.decode(b, None).rows, as_tensors(rows, signature)) == want


@given(tables())
def test_csv_has_the_same_rows(table: tuple[Signature, list[Row]]) -> None:
    """Whatever JSON takes and CSV can write: missing is an empty cell, with or without an index."""
    signature, rows = table
    codec, reader, _ = READERS[id(signature)]
    want = verdict(codec.decode_batch, f'{{"records":{as_objects(rows)}}}')
    if want is None:
        return
    values = [{k: msgspec.json.decode(v) for k, v in row.items()} for row in rows]
    if any(cell == "" or "\r" in str(cell) for row in values for cell in row.values()):
        return  # CSV cannot tell "" from missing; pandas writes a lone \r unquoted
    for index in (False, True):
        file = io.StringIO(newline="")
        writer = csv.writer(file)
        writer.writerow([*[""] * index, *signature.names])
        for i, row in enumerate(rows):
            writer.writerow(
                [*[i] * index, *(_csv_cell(row[n], values[i][n]) for n in signature.names)]
            )
        assert verdict(lambda b: decode_csv(reader, b), file.getvalue()) == want


@pytest.mark.parametrize(
    ("names", "told"),
    [
        pytest.param("cba", [], id="another order"),
        pytest.param("abcc", ["duplicate_column"], id="one twice"),
        pytest.param("abb", ["missing c"], id="one twice for another"),
        pytest.param("axx", ["missing b", "missing c", "extra_forbidden x"], id="unknown"),
    ],
)
def test_every_column_is_named_once(names: str, told: list[str]) -> None:
    """In CSV and beside lists; each mistake is told once."""
    reader = READERS[id(NUMBERS)][1]
    cells = ["1"] * len(names)
    split = f'{{"columns":{json.dumps([*names])},"data":[[{",".join(cells)}]]}}'
    table = f"{','.join(names)}\n{','.join(cells)}\n"
    for decode, body in (
        (lambda b: decode_csv(reader, b), table),
        (lambda b: decode_invocation(reader, b), f'{{"dataframe_split":{split}}}'),
    ):
        found: Sequence[Mapping[str, Any]] = ()
        try:
            decode(body.encode())
        except InvalidRequest as refusal:
            found = refusal.detail or ()
        assert [
            " ".join([e["type"], *(part for part in e["loc"] if part in [*names, *"abc"])])
            for e in found
        ] == told


def _csv_cell(json_: str, value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    """Never anything else."""
    for _, reader, v2 in READERS.values():
        for decode in (
            lambda b, r=reader: decode_invocation(r, b),
            lambda b, r=reader: decode_v1(r, b),
            lambda b, r=reader: decode_csv(r, b),
            lambda b, v=v2: v.decode(b, None),
            lambda b, v=v2: v.decode(b, len(b) // 2),
        ):
            try:
                decode(body)
            except InvalidRequest:
                continue


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
        st.sampled_from(["FP64", "BYTES", "a", "size", "predict"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["inputs", "instances", "dataframe_split", "dataframe_records", "data", "columns",
                 "index", "params", "name", "shape", "datatype", "parameters", "outputs", "id", "a",
                 "b", "c", "binary_data_size"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_any_json_is_decoded_or_refused(value: Any) -> None:
    """The same for bodies that look more like one."""
    test_any_bytes_are_decoded_or_refused.hypothesis.inner_test(json.dumps(value).encode())
