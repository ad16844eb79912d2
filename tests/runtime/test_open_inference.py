"""The Open Inference Protocol V2: tensors as JSON and as binary data."""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from modelserver_runtime.artifact import Feature, Manifest, Signature
from modelserver_runtime.codec import Codec
from modelserver_runtime.dialects.open_inference import OpenInferenceCodec
from modelserver_runtime.engines import Outcome
from modelserver_runtime.errors import InvalidRequest
from modelserver_runtime.tables import Tables

INFER = "/v2/models/breast-cancer/infer"
NUMPY = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1",
    "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


def codec_of(*features: Feature, max_rows: int = 1000) -> OpenInferenceCodec:
    """A reader for columns like these."""
    signature = Signature(features=features, outputs=())
    manifest = Manifest(
        schema_version=1, name="m", version="1", task="regression", created="", files=(),
        signature=signature,
    )  # fmt: skip
    tables = Tables(signature, Codec(signature, max_rows=max_rows))
    return OpenInferenceCodec(manifest, "m", tables, max_rows)


def tensor(name: str, datatype: str, shape: Sequence[int], data: Any) -> dict[str, Any]:
    """One input."""
    return {"name": name, "datatype": datatype, "shape": [*shape], "data": data}


def binary(datatype: str, values: NDArray[Any]) -> bytes:
    """Binary data of one tensor."""
    if datatype != "BYTES":
        return values.astype(NUMPY[datatype]).tobytes()
    strings = [str(value).encode() for value in values.ravel().tolist()]
    return b"".join(struct.pack("<I", len(s)) + s for s in strings)


def request(*inputs: Mapping[str, Any], **more: Any) -> bytes:
    """A request's JSON."""
    return json.dumps({"inputs": inputs, **more}).encode()


def refusal(codec: OpenInferenceCodec, body: bytes, header_length: int | None = None) -> str:
    """The sentence with which *body* is refused."""
    with pytest.raises(InvalidRequest) as refused:
        codec.decode(body, header_length)
    return refused.value.details


TWO = codec_of(Feature(name="a"), Feature(name="b"))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("datatype", [d for d in NUMPY if d not in ("BOOL", "FP16")])
def test_one_tensor_of_any_number_type_is_the_matrix(datatype: str, *, nested: bool) -> None:
    """Row-major or nested, of any name."""
    data = [[1, 2], [3, 4], [5, 6]] if nested else [1, 2, 3, 4, 5, 6]
    rows = TWO.decode(request(tensor("whatever", datatype, [3, 2], data)), None).rows
    assert (rows.tolist(), rows.dtype) == ([[1, 2], [3, 4], [5, 6]], np.float64)


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_a_tensor_for_each_feature_by_name(shape: list[int]) -> None:
    """In any order, each of its own type."""
    body = request(tensor("b", "INT8", shape, [1, 2]), tensor("a", "FP64", shape, [0.5, 1.5]))
    assert TWO.decode(body, None).rows.tolist() == [[0.5, 1], [1.5, 2]]


@pytest.mark.parametrize("datatype", [*NUMPY, "BYTES"])
def test_binary_data_of_every_type(datatype: str) -> None:
    """FP16 comes only so; beside it a tensor that is JSON."""
    type_ = {"BOOL": "bool", "BYTES": "string"}.get(datatype, "float64")
    codec = codec_of(Feature(name="a", type=type_), Feature(name="b"))
    given = {"BOOL": [True, False], "BYTES": ["rot", "grün"]}.get(datatype, [0, 1])
    data = binary(datatype, np.array(given))
    header = request(
        {
            "name": "a",
            "datatype": datatype,
            "shape": [2],
            "parameters": {"binary_data_size": len(data)},
        },
        tensor("b", "FP32", [2], [0.5, 0.25]),
    )
    rows = codec.decode(header + data, len(header)).rows
    assert rows.tolist() == [[given[0], 0.5], [given[1], 0.25]]


def test_a_32_bit_number_is_rounded_to_32_bits() -> None:
    """The client's tensor holds the float nearest to what JSON shows of it."""
    rows = TWO.decode(request(tensor("x", "FP32", [1, 2], [0.1, 16777217])), None).rows
    assert rows.tolist() == [[float(np.float32(0.1)), 16777216.0]]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        pytest.param([], "inputs", id="no input"),
        pytest.param(
            [tensor("x", "FP64", [2, 2], [1, 2, 3])],
            "3 elements, but the shape has 4",
            id="too few",
        ),
        pytest.param(
            [tensor("x", "FP64", [1, 2], [1, 2, 3])],
            "3 elements, but the shape has 2",
            id="too many",
        ),
        pytest.param(
            [tensor("x", "FP64", [1, 3], [1, 2, 3])], "3 columns, but the model has 2", id="width"
        ),
        pytest.param(
            [tensor("x", "FP64", [2], [1, 2])], "a: Field required", id="one feature of two"
        ),
        pytest.param([tensor("x", "FP64", [1, 2, 1], [1, 2])], "shape", id="three dimensions"),
        pytest.param([tensor("x", "FP64", [], [])], "shape", id="a scalar"),
        pytest.param([tensor("x", "FP64", [0, 2], [])], "one row at least", id="no row"),
        pytest.param([tensor("x", "FP64", [-1, 2], [1, 2])], "shape", id="negative"),
        pytest.param(
            [tensor("x", "FP64", [10**9, 10**9], [1])], "1000 rows at most", id="huge shape"
        ),
        pytest.param([tensor("x", "FP64", [1, 10**30], [1])], "1 elements", id="absurd width"),
        pytest.param(
            [tensor("x", "FP64", [1001, 2], [0] * 2002)], "1000 rows at most", id="too many rows"
        ),
        pytest.param([tensor("x", "FP64", [2, 2], [[1, 2], [3]])], "nested", id="ragged"),
        pytest.param(
            [tensor("x", "FP64", [2, 2], [[1, 2, 3, 4]])], "nested", id="nested otherwise"
        ),
        pytest.param([tensor("x", "FP64", [1, 2], [[[1, 2]]])], "data", id="nested too deep"),
        pytest.param([tensor("x", "FP64", [1, 2], [1, "2"])], "data", id="a string among numbers"),
        pytest.param(
            [tensor("x", "FP64", [1, 2], [1, True])], "data", id="a boolean among numbers"
        ),
        pytest.param([tensor("x", "FP64", [1, 2], [1, None])], "finite", id="null"),
        pytest.param([tensor("x", "FP32", [1, 2], [1, 1e300])], "finite", id="beyond FP32"),
        pytest.param([tensor("x", "INT64", [1, 2], [1, 1.5])], "data", id="a fraction in INT64"),
        pytest.param([tensor("x", "INT64", [1, 2], [1, 2**63])], "no INT64", id="beyond INT64"),
        pytest.param([tensor("x", "UINT8", [1, 2], [1, -1])], "no UINT8", id="negative UINT8"),
        pytest.param([tensor("x", "INT8", [1, 2], [1, 128])], "no INT8", id="beyond INT8"),
        pytest.param(
            [tensor("x", "BYTES", [1, 2], ["1", "2"])], "BYTES does not fit a", id="BYTES"
        ),
        pytest.param(
            [tensor("x", "BOOL", [1, 2], [True, False])], "BOOL does not fit a", id="BOOL"
        ),
        pytest.param([tensor("x", "FP16", [1, 2], [1, 2])], "binary data only", id="FP16 as JSON"),
        pytest.param([tensor("x", "FP8", [1, 2], [1, 2])], "datatype", id="unknown datatype"),
        pytest.param(
            [{"name": "x", "datatype": "FP64", "shape": [1, 2]}],
            "data: Field required",
            id="no data",
        ),
        pytest.param(
            [{"name": "x", "shape": [1, 2], "data": [1, 2]}], "datatype", id="no datatype"
        ),
        pytest.param(
            [tensor("a", "FP64", [1], [1]), tensor("a", "FP64", [1], [1])],
            "b: Field required",
            id="twice",
        ),
        pytest.param(
            [tensor("a", "FP64", [1], [1]), tensor("c", "FP64", [1], [1])],
            "b: Field required",
            id="unknown",
        ),
        pytest.param(
            [tensor("a", "FP64", [1], [1]), tensor("b", "FP64", [2], [1, 2])],
            "2 values, but a has 1",
            id="uneven",
        ),
        pytest.param(
            [tensor("a", "FP64", [1, 2], [1, 2]), tensor("b", "FP64", [1], [1])],
            "[rows, 1]",
            id="wide",
        ),
        pytest.param([tensor("x", "FP64", [1, 2], [1, 2]) | {"more": 1}], "more", id="unknown key"),
    ],
)
def test_what_is_no_tensor_of_the_model_is_refused(inputs: list[dict[str, Any]], says: str) -> None:
    """With what is wrong and where."""
    assert says in refusal(TWO, request(*inputs))


def test_whole_numbers_of_a_float_tensor_fit_an_integer_column() -> None:
    """One tensor has one type; a fraction does not fit."""
    codec = codec_of(Feature(name="a"), Feature(name="n", type="int64"))
    rows = codec.decode(request(tensor("x", "FP64", [1, 2], [0.5, 3.0])), None).rows
    assert rows.tolist() == [[0.5, 3]]
    assert "no whole numbers" in refusal(codec, request(tensor("x", "FP64", [1, 2], [1, 0.5])))
    assert "64 bits" in refusal(codec, request(tensor("x", "UINT64", [1, 2], [1, 2**63])))


def test_a_missing_value_is_null_in_json_and_nan_in_binary() -> None:
    """Only where the signature lets it be missing; infinity never."""
    codec = codec_of(Feature(name="a", nullable=True), Feature(name="b"))
    rows = codec.decode(request(tensor("x", "FP64", [1, 2], [None, 1])), None).rows
    assert np.isnan(rows[0, 0])
    for values, says in (
        ([np.nan, 1], None),
        ([1, np.nan], "b is missing"),
        ([np.inf, 1], "infinite"),
    ):
        header = request(
            {
                "name": "x",
                "datatype": "FP64",
                "shape": [1, 2],
                "parameters": {"binary_data_size": 16},
            }
        )
        body = header + np.array(values).tobytes()
        if says is None:
            assert np.isnan(codec.decode(body, len(header)).rows[0, 0])
        else:
            assert says in refusal(codec, body, len(header))


@pytest.mark.parametrize(
    ("size", "data", "says"),
    [
        pytest.param(16, b"x" * 15, "15 follow", id="too few bytes"),
        pytest.param(16, b"x" * 17, "17 follow", id="too many bytes"),
        pytest.param(8, b"x" * 8, "8 bytes, but the shape has 2 elements of 8", id="too short"),
        pytest.param(-1, b"", "whole number", id="negative"),
        pytest.param("16", b"x" * 16, "whole number", id="a string"),
        pytest.param(True, b"x", "whole number", id="a boolean"),
        pytest.param(10**12, b"x", "follow", id="absurd"),
    ],
)
def test_binary_data_must_be_as_long_as_it_says(size: Any, data: bytes, says: str) -> None:
    """Nothing is read beyond the body."""
    header = request(
        {"name": "x", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": size}}
    )
    assert says in refusal(TWO, header + data, len(header))


@pytest.mark.parametrize(
    "data",
    [b"\x05\0\0\0abc", b"\xff\xff\xff\xff", b"\1\0\0", b"\1\0\0\0a\1", b"\2\0\0\0\xff\xfe", b""],
)
def test_strings_must_fill_their_binary_data(data: bytes) -> None:
    """A length beyond the data, a rest, no UTF-8."""
    codec = codec_of(Feature(name="a", type="string"))
    header = request(
        {
            "name": "a",
            "datatype": "BYTES",
            "shape": [1],
            "parameters": {"binary_data_size": len(data)},
        }
    )
    assert refusal(codec, header + data, len(header))


@pytest.mark.parametrize(
    ("predictions", "datatype"),
    [
        pytest.param(np.array([3, 4]), "INT64", id="integers"),
        pytest.param(np.array([0.5, 1.5]), "FP64", id="numbers"),
        pytest.param(np.array(["rot", "grün"]), "BYTES", id="text"),
        pytest.param(np.array(["rot", "grün"], dtype=object), "BYTES", id="text objects"),
        pytest.param(np.array([True, False]), "BOOL", id="truth"),
        pytest.param(np.array([[1, 0], [0, 1]]), "INT64", id="several outputs"),
    ],
)
def test_labels_keep_their_type(predictions: NDArray[Any], datatype: str) -> None:
    """As JSON, and as binary data behind it."""
    body = request(
        tensor("x", "FP64", [2, 2], [1, 2, 3, 4]), parameters={"binary_data_output": False}
    )
    answer = TWO.encode(TWO.decode(body, None), Outcome(predictions))
    (output,) = json.loads(answer.body)["outputs"]
    assert output == {
        "name": "predict",
        "datatype": datatype,
        "shape": [*predictions.shape],
        "data": predictions.ravel().tolist(),
    }
    body = request(
        tensor("x", "FP64", [2, 2], [1, 2, 3, 4]), parameters={"binary_data_output": True}
    )
    answer = TWO.encode(TWO.decode(body, None), Outcome(predictions))
    assert answer.header_length is not None
    assert answer.body[answer.header_length :] == binary(datatype, predictions)


def test_probabilities_of_a_model_without_are_refused() -> None:
    """A client's mistake."""
    body = request(tensor("x", "FP64", [1, 2], [1, 2]), outputs=[{"name": "predict_proba"}])
    with pytest.raises(InvalidRequest, match="no probabilities"):
        TWO.encode(TWO.decode(body, None), Outcome(np.array([1])))


@pytest.fixture
def values(row: dict[str, float]) -> list[float]:
    """One row of the bundled model."""
    return list(row.values())


async def test_ids_and_parameters_come_back(client: httpx.AsyncClient, values: list[float]) -> None:
    """And the outputs that were asked for, in that order."""
    body = {
        "id": "call-7",
        "parameters": {"trace": "on", "depth": 3},
        "inputs": [tensor("x", "FP64", [2, 30], values * 2)],
        "outputs": [{"name": "predict_proba"}, {"name": "predict"}],
    }
    answer = (await client.post(INFER, json=body)).json()
    assert answer["id"] == "call-7"
    assert answer["parameters"] == {"trace": "on", "depth": 3}
    assert (answer["model_name"], answer["model_version"]) == ("breast-cancer", "1.0.0")
    proba, label = answer["outputs"]
    assert (proba["name"], proba["datatype"], proba["shape"]) == ("predict_proba", "FP64", [2, 2])
    assert (label["name"], label["datatype"], label["shape"]) == ("predict", "INT64", [2])
    bare = await client.post(INFER, json={"inputs": body["inputs"]})
    assert set(bare.json()) == {"model_name", "model_version", "outputs"}
    assert [o["name"] for o in bare.json()["outputs"]] == ["predict"]


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param('{"a": 18446744073709551616}', id="a number beyond 64 bits"),
        pytest.param('{"a": ' + "[" * 300 + "]" * 300 + "}", id="a deep one"),
    ],
)
async def test_parameters_that_cannot_come_back_are_a_400(
    client: httpx.AsyncClient, values: list[float], parameters: str
) -> None:
    """What is read must not be more than what is written."""
    body = request(tensor("x", "FP64", [1, 30], values), parameters="these").decode()
    answer = await client.post(INFER, content=body.replace('"these"', parameters))
    assert answer.status_code == 400
    assert answer.json()["detail"][0]["loc"] == ["body", "parameters"]


async def test_binary_data_both_ways(
    client: httpx.AsyncClient, values: list[float], estimator: Any
) -> None:
    """One output as binary data, the other as JSON; the header says where the JSON ends."""
    data = np.array(values).tobytes()
    header = json.dumps(
        {
            "inputs": [
                {"name": "x", "datatype": "FP64", "shape": [1, 30],
                 "parameters": {"binary_data_size": len(data)}}
            ],
            "outputs": [
                {"name": "predict"},
                {"name": "predict_proba", "parameters": {"binary_data": True}},
            ],
        }
    ).encode()  # fmt: skip
    headers = {
        "inference-header-content-length": str(len(header)),
        "content-type": "application/octet-stream",
    }
    answer = await client.post(INFER, content=header + data, headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers["inference-header-content-length"])
    label, proba = json.loads(answer.content[:length])["outputs"]
    assert label["data"] == estimator.predict([values]).tolist()
    assert proba["parameters"] == {"binary_data_size": 16}
    got = np.frombuffer(answer.content[length:], "<f8").reshape(proba["shape"])
    assert np.abs(got - estimator.predict_proba([values])).max() <= 1e-12


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param(INFER, {"content-type": "text/plain"}, 415, id="another content type"),
        pytest.param(
            INFER, {"content-type": "application/octet-stream"}, 415, id="binary without length"
        ),
        pytest.param(INFER, {"accept": "text/html"}, 406, id="nothing we write"),
        pytest.param(
            INFER, {"inference-header-content-length": "x"}, 400, id="length is no number"
        ),
        pytest.param(
            INFER, {"inference-header-content-length": "99999999"}, 400, id="length beyond the body"
        ),
        pytest.param(INFER, {"inference-header-content-length": "0"}, 400, id="no JSON"),
        pytest.param("/v2/models/other/infer", {}, 404, id="another model"),
        pytest.param("/v2/models/breast-cancer/versions/2/infer", {}, 404, id="another version"),
        pytest.param("/v2/models/a/b/infer", {}, 404, id="no such path"),
    ],
)
async def test_refusals(
    client: httpx.AsyncClient, values: list[float], path: str, headers: dict[str, str], status: int
) -> None:
    """Each in the form all errors have."""
    body = request(tensor("x", "FP64", [1, 30], values))
    answer = await client.post(path, content=body, headers=headers)
    assert answer.status_code == status
    assert {"error", "details", "timestamp", "request_id"} <= set(answer.json())


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"model_name": "breast-cancer", "model_version": "1.0.0"}, 200),
        ({"model_name": "breast-cancer", "model_version": ""}, 200),
        ({"model_name": "other"}, 404),
        ({"model_version": "2"}, 404),
        ({"outputs": [{"name": "logits"}]}, 400),
        ({"outputs": [{"name": "predict"}, {"name": "predict"}]}, 400),
        ({"outputs": []}, 200),
        ({"id": 7}, 400),
        ({"more": 1}, 400),
    ],
)
async def test_what_else_a_request_may_hold(
    client: httpx.AsyncClient, values: list[float], more: dict[str, Any], status: int
) -> None:
    """KServe's client names the model in the body as well."""
    body = request(tensor("x", "FP64", [1, 30], values), **more)
    assert (await client.post(INFER, content=body)).status_code == status


async def test_the_server_and_the_model_describe_themselves(client: httpx.AsyncClient) -> None:
    """What the metadata calls an input is taken, what it calls an output is given."""
    server = (await client.get("/v2")).json()
    assert server["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/models/breast-cancer", "/v2/models/breast-cancer/versions/1.0.0"):
        metadata = (await client.get(path)).json()
        inputs = [
            tensor(i["name"], i["datatype"], [2 if n == -1 else n for n in i["shape"]], [1.0, 2.0])
            for i in metadata["inputs"]
        ]
        outputs = [{"name": o["name"]} for o in metadata["outputs"]]
        answer = await client.post(f"{path}/infer", json={"inputs": inputs, "outputs": outputs})
        assert [
            {"name": o["name"], "datatype": o["datatype"], "shape": [-1, *o["shape"][1:]]}
            for o in answer.json()["outputs"]
        ] == metadata["outputs"]
        assert (await client.get(f"{path}/ready")).json() == {
            "name": "breast-cancer",
            "ready": True,
        }
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    for unknown in ("/v2/models/x", "/v2/models/x/ready", "/v2/models/breast-cancer/versions/2"):
        assert (await client.get(unknown)).json()["error"] == "Model not found"
