"""uvicorn's HTTP protocol with what it lacks: our error format, and connections that end when they should."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelserver_runtime.error_responses import error_body


class RuntimeProtocol(HttpToolsProtocol):
    """One connection. `server_state.draining` is set by our Server."""

    def on_headers_complete(self) -> None:
        """While draining every answer is the last one on its connection."""
        super().on_headers_complete()
        if getattr(self.server_state, "draining", False):
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets the error format of every other answer."""
        body = error_body("Invalid request", "this is not an HTTP/1.1 request", b"")
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        self.transport.close()
