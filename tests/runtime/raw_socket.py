"""A client that sends bytes and reads what comes back, with no library in between."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from runtime.process import Process


@contextmanager
def connected(process: Process) -> Iterator[socket.socket]:
    """A bare connection."""
    address = urlsplit(process.url())
    with socket.create_connection((address.hostname, address.port), timeout=8) as client:
        yield client


def send(client: socket.socket, *parts: bytes) -> None:
    """Send *parts*; stop where it has answered before it had everything."""
    for part in parts:
        try:
            client.sendall(part)
        except OSError:
            return


def read_all(client: socket.socket) -> bytes:
    """Everything until the end of the connection."""
    received = b""
    try:
        while part := client.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received
