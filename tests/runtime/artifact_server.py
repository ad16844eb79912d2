"""A real HTTP server on a free port that hands out archives, and misbehaves where a test asks."""

import hashlib
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Handler = BaseHTTPRequestHandler
Trick = Callable[["Shelf", Handler], None]


@dataclass
class Shelf:
    """
    What the server has, and what it was asked.

    Args:
        url: where it is.
        files: by path.
        tricks: what it does instead of answering, by path; one for each request, in order.
        asked: path and headers of each request.
        sent: bytes of bodies.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    tricks: dict[str, list[Trick]] = field(default_factory=lambda: defaultdict(list))
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: int = 0

    def answer(self, handler: Handler) -> None:
        """Answer one request."""
        path = handler.path.partition("?")[0]
        self.asked.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}))
        if self.tricks[path]:
            self.tricks[path].pop(0)(self, handler)
        elif path in self.files:
            self.hand_out(handler, self.files[path])
        else:
            handler.send_error(404)

    def hand_out(self, handler: Handler, content: bytes, **headers: str) -> None:
        """Send *content*, or what was asked of it if that is still the same."""
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        asked = handler.headers.get("Range")
        headers = {"ETag": tag} | headers
        if asked is None or handler.headers.get("If-Range") != tag:
            self.send(handler, 200, content, **headers)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send(handler, 206, content[start:], **{"Content-Range": whole}, **headers)

    def send(self, handler: Handler, status: int, body: bytes, **headers: str) -> None:
        """Send a whole answer."""
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        self.write(handler, body)

    def write(self, handler: Handler, body: bytes) -> None:
        """Send a piece of a body; a client that has gone is its own affair."""
        try:
            handler.wfile.write(body)
            self.sent += len(body)
        except OSError:
            handler.close_connection = True


def breaks_after(count: int, **headers: str) -> Trick:
    """Close the connection after *count* bytes of the body that was promised."""

    def trick(shelf: Shelf, handler: Handler) -> None:
        content = shelf.files[handler.path]
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        handler.send_response(206 if asked else 200)
        handler.send_header("Content-Length", str(len(content) - start))
        if asked:
            whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
            handler.send_header("Content-Range", whole)
        for name, value in ({"ETag": tag} | headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        shelf.write(handler, content[start : start + count])
        handler.close_connection = True

    return trick


def answers(status: int, body: bytes = b"", **headers: str) -> Trick:
    """Answer something else."""
    return lambda shelf, handler: shelf.send(handler, status, body, **headers)


def redirects(to: str, status: int = 302) -> Trick:
    """Send the client elsewhere."""
    return answers(status, Location=to)


def has_no_version(shelf: Shelf, handler: Handler) -> None:
    """Give no validator, so that nobody can tell whether it is the same the next time."""
    content = shelf.files[handler.path]
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    shelf.write(handler, content[:100])
    handler.close_connection = True


def never_ends(shelf: Shelf, handler: Handler) -> None:
    """Send one chunk after another, of which nobody knows how many there are."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while not handler.close_connection:
        shelf.write(handler, b"10000\r\n" + bytes(0x10000) + b"\r\n")


def drips(seconds: float) -> Trick:
    """Send a byte, wait, send a byte."""

    def trick(shelf: Shelf, handler: Handler) -> None:
        content = shelf.files[handler.path]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        for byte in content:
            shelf.write(handler, bytes([byte]))
            if handler.close_connection:
                break
            time.sleep(seconds)

    return trick


def drips_headers(shelf: Shelf, handler: Handler) -> None:
    """Begin an answer that for half a minute does not even come to its body."""
    handler.send_response(200)
    handler.flush_headers()
    for _ in range(60):
        shelf.write(handler, b"X: y\r\n")
        if handler.close_connection:
            break
        time.sleep(0.5)


@contextmanager
def serving(tls: ssl.SSLContext | None = None, **files: bytes) -> Iterator[Shelf]:
    """A server that has *files*, each below its name with `_` for `.`."""
    shelf = Shelf(files={f"/{name.replace('_', '.')}": body for name, body in files.items()})

    class Asked(Handler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def do_GET(self) -> None:  # noqa: N802 - the library calls it so
            shelf.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Clients that refuse our certificate, or go in the middle, are what tests are for."""

    with Server(("127.0.0.1", 0), Asked) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        shelf.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield shelf
        finally:
            server.shutdown()
            thread.join()
