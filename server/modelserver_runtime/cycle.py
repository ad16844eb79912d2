"""One request and its response on a connection, with a short way for answers that are whole."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class Cycle(RequestResponseCycle):
    """
    uvicorn's own, with two short cuts that prediction routes find in the scope's state.

    ASGI takes a body out by an event and a message, and puts an answer in by two messages, each
    looked at header by header: a quarter of what a small prediction costs.
    """

    def whole_body(self) -> bytes | None:
        """The body; None while it is not whole, or when the client has gone."""
        return None if self.more_body or self.disconnected else bytes(self.body)

    def take_body(self) -> bytes | None:
        """The same, once."""
        body = self.whole_body()
        if body is not None:
            self.body = bytearray()
        return body

    def answer(self, status: int, content_type: bytes, request_id: bytes, body: bytes) -> bool:
        """
        Send a whole response in one write.

        Returns:
            False, and nothing is sent, when it has to be done the long way.
        """
        if self.flow.write_paused or self.disconnected or self.response_started:
            return False
        if self.scope["method"] == "HEAD":
            return False
        self.response_started = self.response_complete = True
        self.transport.write(
            b"%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b\r\n%b"
            % (
                STATUS_LINE[status],
                content_type,
                len(body),
                request_id,
                b"" if self.keep_alive else b"connection: close\r\n",
                body,
            )
        )
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True
