"""The project's own prediction routes."""

import asyncio
import json
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

TOLERANCE = 1e-12


def test_every_row_of_the_data_set_is_answered_as_scikit_learn_answers(
    url: str, names: list[str], estimator: Any
) -> None:
    """569 rows through the socket: the same labels, probabilities equal to 1e-12."""
    data = load_breast_cancer().data
    want = estimator.predict_proba(data)
    with httpx.Client(base_url=url) as client:
        answers = [
            client.post("/predict", json=dict(zip(names, row, strict=True))).json()
            for row in data.tolist()
        ]
        records = [dict(zip(names, row, strict=True)) for row in data.tolist()]
        batch = client.post("/batch-predict", json={"records": records}).json()
    assert [a["prediction"] for a in answers] == estimator.predict(data).tolist()
    for got in (answers, batch["predictions"]):
        assert np.abs(np.array([a["probability"] for a in got]) - want).max() <= TOLERANCE
    assert batch["count"] == len(data)


async def test_an_answer_has_these_fields(client: httpx.AsyncClient, row: dict[str, float]) -> None:
    """The confidence is the probability of the returned label, the time is UTC."""
    answer = (await client.post("/predict", json=row)).json()
    assert set(answer) == {"prediction", "probability", "confidence", "timestamp"}
    assert answer["confidence"] == answer["probability"][answer["prediction"]]
    assert sum(answer["probability"]) == pytest.approx(1)
    assert datetime.fromisoformat(answer["timestamp"]).utcoffset() is not None


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k != name}


BAD_ROWS = [
    pytest.param(lambda r: _without(r, "feature_15"), "missing", "feature_15", id="missing"),
    pytest.param(lambda r: r | {"extra": 1}, "extra_forbidden", "extra", id="unknown"),
    pytest.param(lambda r: r | {"feature_2": "17.99"}, "float_type", "feature_2", id="string"),
    pytest.param(lambda r: r | {"feature_2": True}, "float_type", "feature_2", id="boolean"),
    pytest.param(lambda r: r | {"feature_2": None}, "float_type", "feature_2", id="null"),
    pytest.param(lambda r: r | {"feature_2": [1]}, "float_type", "feature_2", id="list"),
    pytest.param(lambda r: r | {"feature_2": float("nan")}, "finite_number", "feature_2", id="NaN"),
    pytest.param(
        lambda r: r | {"feature_2": float("-inf")}, "finite_number", "feature_2", id="-Infinity"
    ),
]


@pytest.mark.parametrize(("spoil", "kind", "where"), BAD_ROWS)
async def test_a_row_that_does_not_fit_is_refused_with_the_field(
    client: httpx.AsyncClient, row: dict[str, float], spoil: Any, kind: str, where: str
) -> None:
    """Both routes say 400 in our format, with FastAPI's list."""
    bad = spoil(row)
    for path, body, location in (
        ("/predict", bad, ["body", where]),
        ("/batch-predict", {"records": [row, bad]}, ["body", "records", 1, where]),
    ):
        answer = await client.post(path, content=json.dumps(body))
        assert answer.status_code == 400
        error = answer.json()
        assert set(error) == {"error", "details", "timestamp", "request_id", "detail"}
        assert {"type": kind, "loc": location} == {
            k: error["detail"][0][k] for k in ("type", "loc")
        }
        assert where in error["details"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="truncated"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"x"', id="string"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b'{"feature_1": 1} x', id="trailing garbage"),
        pytest.param(b"[" * 100_000, id="100,000 levels deep"),
        pytest.param(b'{"a":' * 100_000, id="100,000 objects deep"),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/batch-predict"])
async def test_what_is_no_json_object_is_a_400(
    client: httpx.AsyncClient, path: str, body: bytes
) -> None:
    """Malformed JSON is the client's mistake."""
    answer = await client.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize(("count", "status"), [(0, 400), (1, 200), (1000, 200), (1001, 400)])
async def test_a_batch_has_1_to_1000_rows(
    client: httpx.AsyncClient, row: dict[str, float], count: int, status: int
) -> None:
    """Zero and 1,001 are refused."""
    answer = await client.post("/batch-predict", json={"records": [row] * count})
    assert answer.status_code == status


async def test_a_long_row_is_decoded_beside_the_event_loop(client: httpx.AsyncClient) -> None:
    """Which goes on turning meanwhile, as with a batch."""
    body = b'{"feature_1": 1%b}' % (b" " * 1_000_000)
    for path, content in (("/predict", body), ("/batch-predict", b'{"records": [%b]}' % body)):
        asking = asyncio.create_task(client.post(path, content=content))
        turns = 0
        while not asking.done():
            turns += 1
            await asyncio.sleep(0)
        assert (await asking).status_code == 400
        assert turns > 1, path


async def test_only_json_is_taken(client: httpx.AsyncClient, row: dict[str, float]) -> None:
    """415 for another content type, 406 for a client that wants something else."""
    body = json.dumps(row)
    wrong = await client.post("/predict", content=body, headers={"content-type": "text/plain"})
    assert wrong.status_code == 415
    other = await client.post("/predict", content=body, headers={"accept": "text/html"})
    assert other.status_code == 406
    fine = {"content-type": "application/json; charset=utf-8", "accept": "text/html, */*;q=0.1"}
    assert (await client.post("/predict", content=body, headers=fine)).status_code == 200


async def test_compressed_bodies_are_refused_unless_enabled(client: httpx.AsyncClient) -> None:
    """415: nothing is inflated."""
    answer = await client.post("/predict", content=b"x", headers={"content-encoding": "gzip"})
    assert answer.status_code == 415


async def test_get_on_a_prediction_route_is_a_405(client: httpx.AsyncClient) -> None:
    """With the method that would do."""
    answer = await client.get("/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"] == "Method not allowed"


async def test_a_valid_request_id_is_echoed_and_another_replaced(
    client: httpx.AsyncClient, row: dict[str, float]
) -> None:
    """On answers and on errors."""
    headers = {"x-request-id": "A.b_c-1"}
    assert (await client.post("/predict", json=row, headers=headers)).headers[
        "x-request-id"
    ] == "A.b_c-1"
    error = await client.post("/predict", json={}, headers=headers)
    assert error.json()["request_id"] == "A.b_c-1"
    for invalid in ("a b", "x" * 129, "<script>"):
        replaced = await client.get("/health", headers={"x-request-id": invalid})
        assert replaced.headers["x-request-id"] != invalid
