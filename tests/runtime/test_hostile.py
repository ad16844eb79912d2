"""No client can make it answer 5xx, tell what is inside, or grow."""

import json
import re
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from runtime.hostile_requests import Hostile, hostile_requests
from runtime.process import BUNDLED, Process, running
from runtime.raw_socket import connected, read_all, send

EXTRA_BYTES = 20_000_000
PROBE_SECONDS = 0.5
"""Far below the 3 s of a readiness probe; how far, `make bench-runtime` measures."""

_INSIDE = re.compile(rb"Traceback|File \"|site-packages|modelserver_runtime|pydantic|msgspec")


def _row() -> dict[str, float]:
    manifest = json.loads((BUNDLED / "manifest.json").read_text())
    names = [feature["name"] for feature in manifest["signature"]["features"]]
    return dict(zip(names, manifest["golden"]["rows"][3], strict=True))


HOSTILE = hostile_requests(_row())


@pytest.fixture(scope="module")
def attacked() -> Iterator[Process]:
    """A server with small limits, so that reaching them is cheap."""
    with running(
        max_body_bytes="65536",
        accept_gzip="true",
        receive_timeout_seconds="2",
        keep_alive_seconds="1",
        max_batch_rows="100",
    ) as process:
        process.wait_ready()
        yield process


def exchange(process: Process, content: bytes) -> bytes:
    """Send *content*, say that nothing follows, and return all that comes back."""
    with connected(process) as client:
        send(client, content)
        with suppress(OSError):  # it may have closed already
            client.shutdown(socket.SHUT_WR)
        return read_all(client)


def test_there_are_enough_of_them() -> None:
    """And each has a name of its own."""
    assert len(HOSTILE) >= 200
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_a_hostile_request_is_the_clients_mistake(attacked: Process, hostile: Hostile) -> None:
    """Every answer is a 2xx or 4xx, an error has our format, and nothing of ours is told."""
    answer = exchange(attacked, hostile.content)
    statuses = [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d{3}) ", answer, re.MULTILINE)]
    assert statuses, "the connection was closed without a word"
    assert statuses[0] in hostile.statuses
    assert all(status < 500 for status in statuses)
    if statuses[0] >= 400:
        assert not _INSIDE.search(answer)
        head, _, body = answer.partition(b"\r\n\r\n")
        if body and b"content-type: application/json" in head.lower() and len(statuses) == 1:
            told = json.loads(body)
            assert {"error", "details", "timestamp", "request_id"} <= set(told)


def test_all_of_them_together_cost_no_memory_and_leave_no_trace() -> None:
    """Sent three times over: no growth, no 5xx, no traceback, and it still answers."""
    with running(
        max_body_bytes="65536", accept_gzip="true", receive_timeout_seconds="2"
    ) as process:
        url = process.wait_ready()
        for hostile in HOSTILE:
            exchange(process, hostile.content)
        before = process.resident_bytes()
        for hostile in [*HOSTILE, *HOSTILE]:
            exchange(process, hostile.content)
        assert process.resident_bytes() - before < EXTRA_BYTES
        assert httpx.post(f"{url}/predict", json=_row()).status_code == 200
        metrics = httpx.get(f"{url}/metrics").text
        assert re.findall(r'status="5\d\d"} (?!0\.0)', metrics) == []
        assert not [line for line in process.stderr if "Traceback" in line or '"status": 5' in line]


def test_bodies_that_are_too_large_cost_no_memory_and_delay_no_probe() -> None:
    """40 MiB against a limit of 8, and a gibibyte in a gzip, while /health is asked."""
    bomb, packed = _gibibyte_in_gzip(), {"content-encoding": "gzip"}
    with running(accept_gzip="true") as process:
        url = process.wait_ready()
        httpx.post(f"{url}/predict", content=bomb, headers=packed)
        before = process.resident_bytes()
        with ThreadPoolExecutor(1) as beside:
            stop = threading.Event()
            slowest = beside.submit(_slowest_health, url, stop)
            for _ in range(5):
                assert httpx.post(f"{url}/predict", content=b"x" * (40 << 20)).status_code == 413
                assert httpx.post(f"{url}/predict", content=bomb, headers=packed).status_code == 413
            stop.set()
        assert process.resident_bytes() - before < EXTRA_BYTES
        assert slowest.result() < PROBE_SECONDS


MISTAKES = {
    "a row of unknown features": ("/predict", "{*}", '"#":1'),
    "one long value, the rest missing": ("/predict", '{"feature_1":[*]}', "{}"),
    "empty rows": ("/batch-predict", '{"records":[*]}', "{}"),
    "MLflow: empty rows": ("/invocations", '{"dataframe_records":[*]}', "{}"),
    "MLflow: unknown columns": ("/invocations", '{"inputs":{*}}', '"#":1'),
    "MLflow: names that are none": (
        "/invocations",
        '{"dataframe_split":{"data":[[1]],"columns":[*]}}',
        "1",
    ),
    "V1: empty rows": ("/v1/models/breast-cancer:predict", '{"instances":[*]}', "{}"),
    "V2: empty tensors": ("/v2/models/breast-cancer/infer", '{"inputs":[*]}', "{}"),
}
"""Path and body; the part is what `*` is full of, each with a number of its own for `#`."""


@pytest.mark.parametrize(
    ("size", "most"),
    [
        pytest.param(200_000, 50_000_000, id="small bodies"),
        pytest.param(8_000_000, 300_000_000, id="bodies as large as may be"),
    ],
)
def test_bodies_full_of_mistakes_fit_into_a_pod(size: int, most: int) -> None:
    """A list of all that is wrong with one may take 10,000 times its bytes; a pod has 512 MiB."""
    with running() as process:
        url = process.wait_ready()
        before = process.resident_bytes()
        for name, (path, body, part) in MISTAKES.items():
            answer = httpx.post(f"{url}{path}", content=_filled(body, part, size), timeout=30)
            assert answer.status_code == 400, name
            assert 1 <= len(answer.json()["detail"]) <= 100, name
            assert process.most_resident_bytes() - before < most, name
        table = "a\n" * (size // 2)
        csv = {"content-type": "text/csv"}
        assert httpx.post(f"{url}/invocations", content=table, headers=csv).status_code == 400
        assert process.most_resident_bytes() - before < most


def _filled(body: str, part: str, size: int) -> str:
    count = size // (len(part) + 5)
    return body.replace("*", ",".join(part.replace("#", f"{i:x}") for i in range(count)))


def _gibibyte_in_gzip() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    part = b"\0" * (1 << 20)
    return b"".join(packer.compress(part) for _ in range(1024)) + packer.flush()


def _slowest_health(url: str, stop: threading.Event) -> float:
    """Ask until *stop*; return the second longest wait, as one may be the scheduler's."""
    waits = [0.0, 0.0]
    with httpx.Client() as client:
        while not stop.is_set():
            started = time.monotonic()
            assert client.get(f"{url}/health").status_code == 200
            waits.append(time.monotonic() - started)
    return sorted(waits)[-2]
