"""What may arrive on a socket: limits, deadlines, and bytes that are no HTTP."""

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from modelserver_runtime.app import create_app
from modelserver_runtime.engines import Outcome, Rows
from modelserver_runtime.settings import Settings
from runtime.process import Process, running
from runtime.raw_socket import connected, read_all, send

RECEIVE_SECONDS = 1.0


@pytest.fixture(scope="module")
def strict() -> Iterator[Process]:
    """A server with short deadlines and small limits."""
    with running(
        receive_timeout_seconds=str(RECEIVE_SECONDS),
        keep_alive_seconds="1",
        max_body_bytes="65536",
        accept_gzip="true",
    ) as process:
        process.wait_ready()
        yield process


def exchange(process: Process, *parts: bytes) -> bytes:
    """Send *parts*, and return all that comes back until the server closes."""
    with connected(process) as client:
        send(client, *parts)
        return read_all(client)


def post(body: bytes, *headers: bytes, path: bytes = b"/predict") -> bytes:
    """A request with the right length that asks for the connection to end."""
    lines = [b"POST %b HTTP/1.1" % path, b"host: x", b"connection: close", *headers]
    return b"\r\n".join([*lines, b"content-length: %d" % len(body), b"", body])


def status_of(answer: bytes) -> int:
    """The status of the first answer, whose body must be ours."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    if status >= 400 and b"chunked" not in head:
        assert {"error", "details", "timestamp", "request_id"} <= set(json.loads(body))
    return status


REFUSED = [
    pytest.param(b"GARBAGE\r\n\r\n", 400, id="garbage"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40, 400, id="TLS hello"),
    pytest.param(b"GET / HTTP/9.9\r\n\r\n", 400, id="unknown version"),
    pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414, id="long URL"),
    pytest.param(
        b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000 + b"\r\n\r\n", 431, id="one large header"
    ),
    pytest.param(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n", 431, id="many small headers"),
    pytest.param(b"GET / HTTP/1.1\r\nx: " + b"a" * 2_000_000, 431, id="a header that never ends"),
    pytest.param(
        b"POST /predict HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
        400,
        id="length and chunked together",
    ),
    pytest.param(
        b"POST /predict HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        400,
        id="two lengths",
    ),
    pytest.param(
        b"POST /predict HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400, id="negative length"
    ),
    pytest.param(
        b"POST /predict HTTP/1.1\r\ncontent-length: 1e3\r\n\r\n", 400, id="length in exponents"
    ),
    pytest.param(
        b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400, id="bad chunk"
    ),
    pytest.param(
        b"POST /predict HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        400,
        id="length beyond 64 bits",
    ),
    pytest.param(
        b"POST /predict HTTP/1.1\r\ncontent-length: 65537\r\n\r\n" + b"x" * 65537,
        413,
        id="one byte too many",
    ),
    pytest.param(
        b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
        + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 8
        + b"0\r\n\r\n",
        413,
        id="too many in chunks",
    ),
]


CHUNKED = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"


@pytest.mark.parametrize(("request_", "status"), REFUSED)
def test_what_is_not_a_request_is_refused_and_closed(
    strict: Process, request_: bytes, status: int
) -> None:
    """One answer in our format, then the end."""
    answer = exchange(strict, request_)
    assert status_of(answer) == status
    assert b"connection: close" in answer.lower()
    assert answer.count(b"content-length:") == 1


def test_a_body_in_single_bytes_and_chunks_is_understood(
    strict: Process, row: dict[str, float]
) -> None:
    """Slow in parts, but in time."""
    body = orjson.dumps(row)
    chunks = b"".join(b"1\r\n%b\r\n" % body[i : i + 1] for i in range(len(body)))
    head = b"POST /predict HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    assert status_of(exchange(strict, head + chunks + b"0\r\n\r\n")) == 200
    whole = post(body)
    assert status_of(exchange(strict, *(whole[i : i + 7] for i in range(0, len(whole), 7)))) == 200


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param(CHUNKED + b"0\r\nx: ", id="a trailer"),
        pytest.param(CHUNKED + b"1;", id="the name of an extension"),
        pytest.param(CHUNKED + b"1;x=", id="the value of an extension"),
        pytest.param(CHUNKED.replace(b"predict", b"nowhere") + b"0\r\nx: ", id="after the answer"),
    ],
)
def test_framing_that_never_ends_is_ended(strict: Process, framing: bytes) -> None:
    """The parser keeps a trailer until it is whole: neither memory nor time may go into it."""
    before, started, sent = strict.resident_bytes(), time.monotonic(), 0
    with connected(strict) as client:
        client.sendall(framing)
        try:
            while time.monotonic() - started < 5:
                sent += client.send(b"a" * 65536)
        except OSError:
            pass
        answer = read_all(client)
    assert time.monotonic() - started < RECEIVE_SECONDS
    assert sent < 20_000_000  # most of it in the buffers of the two sockets
    assert strict.resident_bytes() - before < 5_000_000
    assert answer == b"" or status_of(answer) in (404, 431)


def test_trailers_that_end_are_no_headers(strict: Process, row: dict[str, float]) -> None:
    """They come too late to say anything: no token, no address of a client, no encoding."""
    body = orjson.dumps(row)
    head = b"POST /predict HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"%x;a=b\r\n%b\r\n0\r\n" % (len(body), body)
    answer = exchange(strict, head, chunks, b"content-encoding: gzip\r\nx-request-id: late\r\n\r\n")
    assert status_of(answer) == 200
    assert b"x-request-id: late" not in answer


def test_a_client_that_reads_nothing_is_ended(strict: Process) -> None:
    """Its requests are whole and answered: what it leaves unread is all that is wrong with it."""
    asked = b"GET /openapi.json HTTP/1.1\r\n\r\n" * 2000
    with connected(strict) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        started = time.monotonic()
        client.sendall(asked)
        while not _is_reset(client):
            assert time.monotonic() - started < 5
            time.sleep(0.1)
        assert time.monotonic() - started > RECEIVE_SECONDS / 2
    assert not [line for line in strict.stderr if "Traceback" in line]


def _is_reset(client: socket.socket) -> bool:
    try:
        client.send(b"\r\n")
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


@pytest.mark.parametrize("depth", [300, 100_000])
@pytest.mark.parametrize("path", ["/predict", "/batch-predict"])
def test_a_body_may_be_only_so_deep(url: str, path: str, depth: int) -> None:
    """Whatever is nested in whatever: a mistake of the client, and no stack is used up."""
    for begin, end in ((b"[", b"]"), (b'{"a":', b"}")):
        nested = begin * depth + b"1" + end * depth
        for body in (
            nested,
            nested[:-1],
            b'{"records":[%b]}' % nested,
            b'{"feature_1":%b}' % nested,
        ):
            assert httpx.post(f"{url}{path}", content=body).status_code == 400


def test_pipelined_requests_are_answered_in_order(strict: Process, row: dict[str, float]) -> None:
    """Each with its own answer."""
    body = orjson.dumps(row)
    first = post(b"{}").replace(b"connection: close\r\n", b"")
    second = b"GET /health HTTP/1.1\r\n\r\n"
    answer = exchange(strict, first + second + post(body))
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"400", b"200", b"200"]


def _answers(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize("cut", [0, 1, 60, -1], ids=lambda cut: f"cut at {cut}")
def test_whole_or_in_two_parts_a_request_gets_the_same(
    strict: Process, row: dict[str, float], cut: int
) -> None:
    """One that is whole is answered on the spot, another by a task: nobody can tell."""
    for body, status in ((orjson.dumps(row), 200), (b'{"feature_1":"x"}', 400), (b"{", 400)):
        request = post(body, b"x-request-id: mine")
        first, rest = request[:cut], request[cut:]
        with connected(strict) as client:
            send(client, first)
            time.sleep(0.02)
            send(client, rest)
            received = read_all(client)
        assert _answers(received) == [status]
        assert b"x-request-id: mine\r\n" in received
        assert b"connection: close\r\n" in received


def test_after_the_last_answer_of_a_connection_nothing_more_is_said(
    strict: Process, row: dict[str, float]
) -> None:
    """Though the next request came in the same packet."""
    last = post(orjson.dumps(row))
    assert _answers(exchange(strict, last + last)) == [200]


def test_garbage_behind_a_whole_request_does_not_take_its_answer(
    strict: Process, row: dict[str, float]
) -> None:
    """The first is answered, the second refused, in that order."""
    whole = post(orjson.dumps(row)).replace(b"connection: close", b"a: b")
    assert _answers(exchange(strict, whole + b"GARBAGE\r\n\r\n")) == [200, 400]


def test_slow_headers_and_slow_bodies_are_ended(strict: Process) -> None:
    """408 after the deadline, whatever trickles in."""
    for begin in (
        b"POST /predict HT",
        b"POST /predict HTTP/1.1\r\nhost: x\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: 100\r\n\r\n{",
        b"POST /predict HTTP/1.1\r\ncontent-length: 100\r\n\r\n",
    ):
        started = time.monotonic()
        with connected(strict) as client:
            client.sendall(begin)
            assert status_of(read_all(client)) == 408
        assert RECEIVE_SECONDS - 0.2 < time.monotonic() - started < RECEIVE_SECONDS + 1.5


def test_trickling_does_not_move_the_deadline(strict: Process) -> None:
    """A byte now and then is still too slow."""
    started = time.monotonic()
    with connected(strict) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\ncontent-length: 100\r\n\r\n")
        try:
            while time.monotonic() - started < 5:
                client.sendall(b" ")
                time.sleep(0.1)
        except OSError:
            pass
    assert time.monotonic() - started < RECEIVE_SECONDS + 2.5


def test_idle_connections_are_closed(strict: Process) -> None:
    """Those that never asked, and those that asked once."""
    for begin in (b"", b"GET /health HTTP/1.1\r\n\r\n"):
        started = time.monotonic()
        with connected(strict) as client:
            client.sendall(begin)
            read_all(client)
        assert time.monotonic() - started < 3


def test_a_gzip_bomb_costs_no_more_than_a_body_may(strict: Process) -> None:
    """A kibibyte that would inflate to a gibibyte is a 413."""
    import zlib  # noqa: PLC0415 - only here

    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(40)) + packer.flush()
    before = strict.resident_bytes()
    for _ in range(20):
        assert status_of(exchange(strict, post(bomb, b"content-encoding: gzip"))) == 413
    assert strict.resident_bytes() - before < 20_000_000


def test_gzip_is_taken_where_enabled(strict: Process, row: dict[str, float]) -> None:
    """And damaged gzip is the client's mistake."""
    import gzip  # noqa: PLC0415 - only here

    packed = gzip.compress(orjson.dumps(row))
    assert status_of(exchange(strict, post(packed, b"content-encoding: gzip"))) == 200
    for damaged in (packed[:-4], packed + b"x", b"x" + packed):
        assert status_of(exchange(strict, post(damaged, b"content-encoding: gzip"))) == 400


def test_a_body_of_40_mib_is_refused_and_the_answer_arrives(strict: Process) -> None:
    """The client is still writing when it is told; memory does not grow with what it sends."""
    before = strict.resident_bytes()
    answer = httpx.post(f"{strict.url()}/predict", content=b"x" * (40 * 1024 * 1024))
    assert answer.status_code == 413
    assert strict.resident_bytes() - before < 20_000_000


def test_the_server_is_well_after_all_this(strict: Process) -> None:
    """No 5xx was logged, no traceback either."""
    assert httpx.get(f"{strict.url()}/health").status_code == 200
    assert not [line for line in strict.stderr if "Traceback" in line or '"status": 5' in line]


def test_connections_over_the_limit_get_health_only(row: dict[str, float]) -> None:
    """The kubelet and Prometheus still reach a server that is full."""
    with running(max_connections="3") as process:
        url = process.wait_ready()
        time.sleep(0.2)  # until the readiness connections are gone
        held = [httpx.Client(base_url=url) for _ in range(4)]
        try:
            for client in held:
                assert client.get("/health").status_code == 200
            known = {"x-request-id": "mine"}
            answers = [client.post("/predict", json=row, headers=known) for client in held]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 503]
            assert answers[-1].headers["retry-after"] == "1"
            assert {answer.headers["x-request-id"] for answer in answers} == {"mine"}
            assert answers[-1].json()["request_id"] == "mine"
        finally:
            for client in held:
                client.close()


def test_a_connection_ends_after_many_requests(row: dict[str, float]) -> None:
    """So that clients spread over new pods."""
    with running(requests_per_connection="20") as process, httpx.Client() as client:
        url = process.wait_ready()
        closed = [
            client.post(f"{url}/predict", json=row).headers.get("connection") for _ in range(45)
        ]
        assert 2 <= closed.count("close") <= 3


def test_over_the_limit_of_held_bytes_a_request_waits_its_turn_elsewhere() -> None:
    """503 with Retry-After, while one request is holding what may be held."""
    limits = {"max_in_flight_bytes": "20000", "max_body_bytes": "20000"}
    with running(**limits, receive_timeout_seconds="5") as process:
        process.wait_ready()
        head = b"POST /predict HTTP/1.1\r\ncontent-length: 20000\r\n\r\n"
        with connected(process) as holder:
            holder.sendall(head + b"x" * 15000)
            time.sleep(0.3)
            answer = exchange(process, post(b"x" * 10000))
            assert status_of(answer) == 503
            assert b"retry-after" in answer
        metrics = httpx.get(f"{process.url()}/metrics").text
        assert 'rejected_requests_total{reason="in-flight-bytes"} 1.0' in metrics


def test_slow_bodies_keep_nobody_out(row: dict[str, float]) -> None:
    """A slot is for a request whose body is here: dawdlers would else hold them all for nothing."""
    with running(max_concurrency="2") as process:
        url = process.wait_ready()
        dawdlers = [socket.create_connection(urlsplit(url)[1].split(":"), 8) for _ in range(20)]
        try:
            for client in dawdlers:
                client.sendall(b"POST /predict HTTP/1.1\r\ncontent-length: 400\r\n\r\n{")
            time.sleep(0.3)
            assert "requests_in_flight 20.0" in httpx.get(f"{url}/metrics").text
            assert httpx.post(f"{url}/predict", json=row).status_code == 200
        finally:
            for client in dawdlers:
                client.close()


async def test_over_the_limit_of_predictions_a_request_is_told_to_come_back(
    settings: Settings, row: dict[str, float]
) -> None:
    """503 with Retry-After, and the slot is free again afterwards; health is never refused."""
    app = create_app(settings.model_copy(update={"max_concurrency": 1}))
    await app.serving.start()
    held, go_on = asyncio.Event(), asyncio.Event()
    predict = app.serving.predict

    async def slowly(rows: Rows) -> Outcome:
        held.set()
        await go_on.wait()
        return await predict(rows)

    app.serving.predict = slowly  # type: ignore[method-assign] - a model of our own cannot be told to wait
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://runtime") as client:
        first = asyncio.create_task(client.post("/predict", json=row))
        await held.wait()
        refused = await client.post("/predict", json=row)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await client.get("/health")).status_code == 200
        go_on.set()
        assert (await first).status_code == 200
        assert (await client.post("/predict", json=row)).status_code == 200
        metrics = (await client.get("/metrics")).text
        assert 'rejected_requests_total{reason="concurrency"} 1.0' in metrics
