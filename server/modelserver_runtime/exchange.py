"""One request as a route sees it, and the answer it gives."""

import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from modelserver_runtime.errors import (
    BodyTooLarge,
    NotAcceptable,
    RequestError,
    UnsupportedMedia,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"
_VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}").fullmatch


class ClientGone(RequestError):
    """The client closed the connection before it had sent its whole request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()


class Exchange:
    """
    The parts of a request that hot routes need, taken from its headers in one pass.

    Args:
        scope, receive: ASGI's own.
        max_body_bytes: more than that is refused while it arrives.
    """

    __slots__ = (
        "_max_body_bytes",
        "_receive",
        "accept",
        "authorization",
        "content_encoding",
        "content_length",
        "content_type",
        "held_bytes",
        "inference_header_length",
        "request_id",
        "scope",
    )

    def __init__(self, scope: Scope, receive: Receive, *, max_body_bytes: int) -> None:
        self.scope = scope
        self._receive = receive
        self._max_body_bytes = max_body_bytes
        self.content_type = b""
        self.content_encoding = b""
        self.content_length: int | None = None
        self.accept = b""
        self.authorization = b""
        self.inference_header_length = b""
        self.request_id = b""
        self.held_bytes = 0
        for name, value in scope["headers"]:
            if name == b"content-type":
                self.content_type = value
            elif name == b"content-length":
                self.content_length = int(value)  # the parser lets only digits through
            elif name == b"accept":
                self.accept = self.accept + b"," + value if self.accept else value
            elif name == b"x-request-id":
                self.request_id = value
            elif name == b"content-encoding":
                self.content_encoding = value
            elif name == b"authorization":
                self.authorization = value
            elif name == b"inference-header-content-length":
                self.inference_header_length = value
        if not self.request_id or _VALID_REQUEST_ID(self.request_id) is None:
            self.request_id = secrets.token_hex(8).encode()

    async def body(self) -> bytes:
        """
        The whole body.

        Raises:
            BodyTooLarge: said by Content-Length, or found while it arrives.
            UnsupportedMedia: it is compressed.
            ClientGone: it never came.
        """
        if self.content_encoding not in (b"", b"identity"):
            raise UnsupportedMedia("bodies are taken uncompressed: send no Content-Encoding")
        if self.content_length is not None and self.content_length > self._max_body_bytes:
            raise self._too_large()
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client went away")
        body: bytes = message["body"]
        if not message["more_body"]:
            if len(body) > self._max_body_bytes:
                raise self._too_large()
            return body
        return await self._rest_of_body(bytearray(body))

    async def _rest_of_body(self, body: bytearray) -> bytes:
        more = True
        while more:
            if len(body) > self._max_body_bytes:
                raise self._too_large()
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone("the client went away")
            body += message["body"]
            more = message["more_body"]
        if len(body) > self._max_body_bytes:
            raise self._too_large()
        return bytes(body)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body is longer than {self._max_body_bytes} bytes")

    def require_json(self) -> None:
        """
        Refuse what is not JSON, in or out.

        Raises:
            UnsupportedMedia, NotAcceptable.
        """
        given = self.content_type
        if given not in (JSON, b"") and not _is_json(given):
            raise UnsupportedMedia("send the body as application/json")
        if self.accept not in (b"", b"*/*", JSON) and not _accepts_json(self.accept):
            raise NotAcceptable("the answer is application/json, which Accept leaves out")


def _is_json(content_type: bytes) -> bool:
    kind, _, parameters = content_type.partition(b";")
    kind = kind.strip().lower()
    if kind != JSON and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
        return False
    charset = parameters.lower().replace(b" ", b"").replace(b'"', b"")
    return b"charset=" not in charset or b"charset=utf-8" in charset


def _accepts_json(accept: bytes) -> bool:
    for choice in accept.lower().split(b","):
        kind, _, parameters = choice.replace(b" ", b"").partition(b";")
        if kind in (b"*/*", b"application/*", JSON) and not re.fullmatch(
            rb"q=0(\.0*)?", parameters
        ):
            return True
    return False
