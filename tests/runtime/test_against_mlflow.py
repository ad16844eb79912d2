"""`mlflow models serve` and the runtime, asked the same with the same model."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from sklearn.datasets import load_breast_cancer

from runtime.process import BUNDLED
from runtime.programs import free_port, program, started

pytestmark = [pytest.mark.programs, pytest.mark.timeout(600)]

JSON = "application/json"
CSV = "text/csv"
Rows = list[list[float]]
Body = tuple[bytes, str]


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """MLflow's own server of the bundled model."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/ping").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    path = Path(program("MLFLOW"))
    command = [str(path), "models", "serve", "-m", str(BUNDLED), "-h", "127.0.0.1"]
    command += ["-p", str(port), "--env-manager", "local"]
    log = tmp_path_factory.mktemp("mlflow") / "log"
    search = f"{path.parent}:/usr/bin:/bin"
    telemetry = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (
        started(command, log, answers, PATH=search, PYTHONPATH="", **telemetry),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ours(url: str) -> Iterator[httpx.Client]:
    """The runtime with the same model."""
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


def post(client: httpx.Client, body: Body) -> httpx.Response:
    """Ask."""
    return client.post("/invocations", content=body[0], headers={"content-type": body[1]})


def as_json(value: Any, content_type: str = JSON) -> Body:
    """A JSON body."""
    return json.dumps(value).encode(), content_type


def split(names: list[str], rows: Rows, **more: Any) -> Body:
    """`dataframe_split`."""
    return as_json({"dataframe_split": {"columns": names, "data": rows, **more}})


def csv(names: list[str], rows: Rows, end: str = "\n") -> str:
    """As `DataFrame.to_csv(index=False)` writes it."""
    return end.join(",".join(map(str, line)) for line in [names, *rows]) + end


def records(names: list[str], rows: Rows) -> list[dict[str, float]]:
    """A list of objects."""
    return [dict(zip(names, row, strict=True)) for row in rows]


def columns(names: list[str], rows: Rows) -> dict[str, list[float]]:
    """An object of lists."""
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


Make = Callable[[list[str], Rows], Body]

EQUAL: Mapping[str, Make] = {
    "dataframe_split": split,
    "dataframe_split in another order": lambda n, r: split(n[::-1], [row[::-1] for row in r]),
    "dataframe_split with an index": lambda n, r: split(n, r, index=list(range(7, 7 + len(r)))),
    "dataframe_split of whole numbers": lambda n, r: split(n, [[*map(int, row)] for row in r]),
    "dataframe_records": lambda n, r: as_json({"dataframe_records": records(n, r)}),
    "instances": lambda n, r: as_json({"instances": records(n, r)}),
    "instances of one object": lambda n, r: as_json({"instances": records(n, r)[0]}),
    "inputs of objects": lambda n, r: as_json({"inputs": records(n, r)}),
    "inputs of columns": lambda n, r: as_json({"inputs": columns(n, r)}),
    "inputs of scalars": lambda n, r: as_json({"inputs": records(n, r)[0]}),
    "no params": lambda n, r: as_json({"inputs": records(n, r), "params": None}),
    "params": lambda n, r: as_json({"inputs": records(n, r), "params": {"a": 1}}),
    "a charset": lambda n, r: as_json({"inputs": records(n, r)}, f"{JSON}; charset=utf-8"),
    "CSV": lambda n, r: (csv(n, r).encode(), CSV),
    "CSV of Windows": lambda n, r: (csv(n, r, "\r\n").encode(), f"{CSV}; charset=utf-8"),
    "CSV with a mark": lambda n, r: (b"\xef\xbb\xbf" + csv(n, r).encode(), CSV),
    "CSV with an index": lambda n, r: (
        csv(["", *n], [[i, *row] for i, row in enumerate(r)]).encode(),
        CSV,
    ),
    "CSV with empty lines": lambda n, r: (csv(n, r, "\n\n").encode(), CSV),
    "CSV with signs and spaces": lambda n, r: (
        csv(n, [[f" +{row[0]} ", *row[1:]] for row in r]).encode(),  # type: ignore[list-item]
        CSV,
    ),
    "CSV with quotes": lambda n, r: (
        csv(n, [[f'"{row[0]}"', *row[1:]] for row in r]).encode(),  # type: ignore[list-item]
        CSV,
    ),
}


def cell(value: Any) -> Make:
    """One row whose first cell is *value*."""
    return lambda n, r: split(n, [[value, *r[0][1:]]])


def csv_cell(text: str) -> Make:
    """The same as CSV."""
    return lambda n, r: (csv(n, [[text, *r[0][1:]]]).encode(), CSV)  # type: ignore[list-item]


REFUSED: Mapping[str, Make] = {
    "no object": lambda _n, _r: as_json([1]),
    "no JSON": lambda _n, _r: (b"{", JSON),
    "no format": lambda _n, _r: as_json({}),
    "two formats": lambda n, r: as_json({"inputs": columns(n, r), "instances": records(n, r)}),
    "null": cell(None),
    "NaN": cell(float("nan")),
    "Infinity": cell(float("inf")),
    "text": cell("much"),
    "a missing column": lambda n, r: split(n[1:], [row[1:] for row in r]),
    "a missing name in an object": lambda n, r: as_json({"inputs": records(n[1:], [r[0][1:]])}),
    "ragged rows": lambda n, r: split(n, [r[0], r[1][1:]]),
    "uneven columns": lambda n, r: as_json({"inputs": columns(n, r) | {n[0]: [1.0]}}),
    "no row": lambda n, _r: split(n, []),
    "records that are no list": lambda n, r: as_json({"dataframe_records": records(n, r)[0]}),
    "an unknown key of the frame": lambda n, r: split(n, r, foo=1),
    "a flat list": lambda _n, r: as_json({"inputs": r[0]}),
    "CSV without rows": lambda n, _r: (csv(n, []).encode(), CSV),
    "empty CSV": lambda _n, _r: (b"", CSV),
    "CSV with a longer row": lambda n, r: ((csv(n, r) + "1," * 30 + "1\n").encode(), CSV),
    "CSV with a shorter row": lambda n, r: ((csv(n, r) + "1,2\n").encode(), CSV),
    "CSV with an empty cell": csv_cell(""),
    "CSV with text": csv_cell("much"),
    "CSV with an infinite cell": csv_cell("inf"),
    "CSV with underscores": csv_cell("1_0"),
    "CSV that is not UTF-8": lambda n, r: (b"\xff" + csv(n, r).encode(), CSV),
    "another charset": lambda n, r: as_json({"inputs": columns(n, r)}, f"{JSON}; charset=latin-1"),
    "CSV of another charset": lambda n, r: (csv(n, r).encode(), f"{CSV}; charset=latin-1"),
    "another content type": lambda n, r: as_json({"inputs": columns(n, r)}, "text/plain"),
}

OUR_OWN: Mapping[str, tuple[Make, int, int]] = {
    # MLflow's status, and ours.
    "a number as text": (lambda n, r: split(n, [[*map(str, row)] for row in r]), 200, 400),
    "a truth value for a number": (cell(value=True), 200, 400),
    "an unknown column": (lambda n, r: split([*n, "x"], [[*row, 1.0] for row in r]), 200, 400),
    "an unknown key": (lambda n, r: as_json({"inputs": columns(n, r), "foo": 1}), 200, 400),
    "lists in the signature's order": (lambda _n, r: as_json({"inputs": r}), 400, 200),
    "a frame without names": (lambda _n, r: as_json({"dataframe_split": {"data": r}}), 400, 200),
}


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Rows of both classes."""
    found: Rows = load_breast_cancer().data[15:25].tolist()
    return found


@pytest.mark.parametrize("form", EQUAL)
def test_what_mlflow_answers_is_answered_the_same(
    mlflow: httpx.Client, ours: httpx.Client, names: list[str], rows: Rows, form: str
) -> None:
    """The whole body, not only its meaning."""
    body = EQUAL[form](names, rows)
    theirs = post(mlflow, body)
    assert theirs.status_code == 200, theirs.text
    answer = post(ours, body)
    assert (answer.status_code, answer.json()) == (200, theirs.json())


@pytest.mark.parametrize("form", REFUSED)
def test_what_mlflow_refuses_is_refused_with_the_same_status(
    mlflow: httpx.Client, ours: httpx.Client, names: list[str], rows: Rows, form: str
) -> None:
    """In our words, and without the values that were sent."""
    body = REFUSED[form](names, rows)
    theirs, answer = post(mlflow, body), post(ours, body)
    assert 400 <= theirs.status_code < 500
    assert answer.status_code == theirs.status_code
    assert {"error", "details", "timestamp", "request_id"} <= set(answer.json())


@pytest.mark.parametrize("form", OUR_OWN)
def test_where_we_differ_on_purpose(
    mlflow: httpx.Client, ours: httpx.Client, names: list[str], rows: Rows, form: str
) -> None:
    """No value is guessed at, no column dropped; a list of lists needs no names."""
    make, their_status, our_status = OUR_OWN[form]
    body = make(names, rows)
    assert post(mlflow, body).status_code == their_status
    assert post(ours, body).status_code == our_status


def test_the_whole_data_set_has_the_same_labels(
    mlflow: httpx.Client, ours: httpx.Client, names: list[str], estimator: Any
) -> None:
    """MLflow, the runtime and scikit-learn agree on every row."""
    data = load_breast_cancer().data
    body = split(names, data.tolist())
    want = estimator.predict(data).tolist()
    assert post(mlflow, body).json() == post(ours, body).json() == {"predictions": want}


def test_ping_is_the_same(mlflow: httpx.Client, ours: httpx.Client) -> None:
    """Status, body and content type."""
    theirs, answer = mlflow.get("/ping"), ours.get("/ping")
    for part in ("status_code", "content"):
        assert getattr(answer, part) == getattr(theirs, part)
    assert answer.headers["content-type"] == theirs.headers["content-type"]
