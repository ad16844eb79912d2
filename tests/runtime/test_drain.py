"""SIGTERM loses no request of a client that keeps its connections."""

import http.client
import signal
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from runtime.process import running

CLIENTS = 16
DRAIN_SECONDS = 2.0


class KeepAliveClient(threading.Thread):
    """Asks as fast as it can on one connection; opens a new one only when told `close`."""

    def __init__(self, url: str, body: bytes) -> None:
        super().__init__(daemon=True)
        self._address = urlsplit(url)
        self._body = body
        self.answered = 0
        self.problems: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        """Until stopped, or nothing listens any more."""
        connection = self._connect()
        while not self.stopping.is_set():
            try:
                connection.request(
                    "POST", "/predict", self._body, {"content-type": "application/json"}
                )
                answer = connection.getresponse()
                answer.read()
            except ConnectionRefusedError:
                return  # the port has closed: the Service would send us elsewhere
            except (OSError, http.client.HTTPException) as error:
                self.problems.append(repr(error))
                return
            self.answered += 1
            if answer.status != 200:
                self.problems.append(str(answer.status))
            if answer.getheader("connection") == "close":
                connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        assert self._address.hostname
        return http.client.HTTPConnection(self._address.hostname, self._address.port, timeout=10)


def test_sigterm_under_load_loses_nothing(row: dict[str, float]) -> None:
    """The load moves on during the drain, as a Service's does; every request gets its 200."""
    with running(drain_seconds=str(DRAIN_SECONDS)) as process:
        url = process.wait_ready()
        clients = [KeepAliveClient(url, orjson.dumps(row)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(1.5)
        before = sum(client.answered for client in clients)
        process.terminate()
        time.sleep(DRAIN_SECONDS / 2)
        assert httpx.get(f"{url}/ready").json()["reason"] == "Draining"
        assert sum(client.answered for client in clients) > before
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(10)
        assert [p for client in clients for p in client.problems] == []
        assert process.wait() == 0


def test_while_draining_each_answer_is_the_last_of_its_connection(row: dict[str, float]) -> None:
    """New connections are still taken, and an idle one is answered once more."""
    with running(drain_seconds=str(DRAIN_SECONDS)) as process:
        url = process.wait_ready()
        with httpx.Client(base_url=url) as idle:
            assert "connection" not in idle.post("/predict", json=row).headers
            process.terminate()
            time.sleep(0.5)
            assert idle.post("/predict", json=row).headers["connection"] == "close"
            assert httpx.get(f"{url}/health").headers["connection"] == "close"


def test_a_request_that_is_half_sent_is_still_answered(row: dict[str, float]) -> None:
    """SIGTERM between its headers and its body."""
    body = orjson.dumps(row)
    with running(drain_seconds=str(DRAIN_SECONDS)) as process:
        address = urlsplit(process.wait_ready())
        with socket.create_connection((address.hostname, address.port), timeout=5) as client:
            client.sendall(
                b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
            )
            process.terminate()
            time.sleep(0.5)
            client.sendall(body)
            answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer
        assert process.wait() == 0


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_a_second_signal_or_ctrl_c_does_not_wait(signals: list[signal.Signals]) -> None:
    """A person at a terminal does not sit through the drain."""
    with running(drain_seconds="60") as process:
        process.wait_ready()
        for number in signals:
            process.signal(number)
            time.sleep(0.3)
        started = time.monotonic()
        assert process.wait() == 0
        assert time.monotonic() - started < 5
