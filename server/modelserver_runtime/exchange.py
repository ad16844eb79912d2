"""One request as a route sees it, and the answer it gives."""

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import partial
from random import getrandbits
from typing import Any, NamedTuple

from modelserver_runtime.cycle import Cycle
from modelserver_runtime.errors import (
    BodyTooLarge,
    BodyTooSlow,
    InvalidRequest,
    NotAcceptable,
    UnsupportedMedia,
)
from modelserver_runtime.limits import HeldBytes, Slots

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"
_VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}").fullmatch
_GZIP_WINDOW = 31  # zlib's number for "a gzip header, the largest window"
_NO_WEIGHT = re.compile(rb"q=0(\.0*)?").fullmatch


class ClientGone(Exception):
    """The client closed the connection before it had sent its whole request."""


class Answer(NamedTuple):
    """A whole response."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class BodyRules:
    """
    What a body may be, and what its request may take up.

    Args:
        max_bytes: of one body, also after inflating.
        held: all bodies of the process.
        slots: all requests of the process whose body is here.
        seconds: how long a body may take to arrive.
        gzip: whether a compressed body is taken.
        inline_bytes: what is more, compressed or inflated, is neither inflated nor decoded on the
            event loop; at most `max_bytes`.
        beside: calls a function beside the event loop.
    """

    max_bytes: int
    held: HeldBytes
    slots: Slots
    seconds: float
    gzip: bool
    inline_bytes: int
    beside: Callable[[Callable[[], bytes | None]], Awaitable[bytes | None]]


class Exchange:
    """
    The parts of a request that hot routes need, taken from its headers in one pass.

    Args:
        scope, receive: ASGI's own.
        rules: what its body may be.
    """

    __slots__ = (
        "_held",
        "_receive",
        "_rules",
        "_slots",
        "accept",
        "authorization",
        "body_ended",
        "content_encoding",
        "content_length",
        "content_type",
        "cycle",
        "forwarded_for",
        "inference_header_length",
        "origin",
        "request_id",
        "scope",
    )

    def __init__(self, scope: Scope, receive: Receive, rules: BodyRules) -> None:
        self.scope = scope
        self._receive = receive
        self._rules = rules
        self._held = 0
        self._slots = 0
        self.body_ended = False
        # Out of the state, or the two would hold each other until the collector comes by.
        self.cycle: Cycle | None = scope["state"].pop("cycle", None)
        self.content_type = b""
        self.content_encoding = b""
        self.content_length = 0
        self.accept = b""
        self.authorization = b""
        self.forwarded_for = b""
        self.inference_header_length = b""
        self.origin = b""
        self.request_id = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                self.content_type = value
            elif name == b"content-length":
                self.content_length = int(value)  # the parser lets only digits through
            elif name == b"accept":
                self.accept = self.accept + b"," + value if self.accept else value
            elif name == b"x-forwarded-for":
                # Several are one list, in their order (RFC 9110, 5.3): each proxy may add its own.
                given = self.forwarded_for
                self.forwarded_for = given + b"," + value if given else value
            elif name in _RARE_HEADERS:
                setattr(self, _RARE_HEADERS[name], value)
        self.request_id = valid_request_id(self.request_id)

    async def body(self) -> bytes:
        """
        The whole body, inflated where it was compressed; from now on the request has a slot.

        Raises:
            BodyTooLarge: said by Content-Length, or found while it arrives or is inflated.
            BodyTooSlow, UnsupportedMedia, Overloaded, InvalidRequest, ClientGone.
        """
        compressed = self._is_compressed()
        if self.content_length > self._rules.max_bytes:
            raise self._too_large()
        whole = None if self.cycle is None else self.cycle.take_body()
        if whole is not None:
            self._hold(len(whole))
            self.body_ended = True
        body = await self._collect() if whole is None else whole
        if len(body) > self._rules.max_bytes:
            raise self._too_large()
        self._rules.slots.take()
        self._slots += 1
        return await self._inflate(body) if compressed else body

    def body_at_once(self) -> bytes | None:
        """The body, if it is here and can be taken as it is; it stays where it is."""
        if self.cycle is None or self.content_encoding:
            return None
        rules, count = self._rules, len(self.cycle.body)
        if count > rules.inline_bytes or not rules.held.has_room(count):
            return None
        return self.cycle.whole_body() if rules.slots.has_one_left() else None

    def release(self) -> None:
        """The request is over: its body is no longer in memory, its slot is free."""
        self._rules.slots.taken -= self._slots
        self._slots = 0
        if self._held:
            self._rules.held.release(self._held)
            self._held = 0

    async def discard_body(self) -> None:
        """
        Read and forget what is still coming, for as long as a body may take.

        A connection closed while the client writes is reset, and the client never sees the answer.
        """
        try:
            async with asyncio.timeout(self._rules.seconds):
                while not self.body_ended:
                    await self._receive_part()
        except (TimeoutError, ClientGone):
            return

    def require_json(self) -> None:
        """
        Refuse what is not JSON, in or out.

        Raises:
            UnsupportedMedia, NotAcceptable.
        """
        if self.content_type != JSON:
            self.require_json_sent()
        if self.accept:
            self.require_json_accepted()

    def require_json_sent(self) -> None:
        """
        Refuse a body that is not JSON.

        Raises:
            UnsupportedMedia.
        """
        given = self.content_type
        if given not in (JSON, b"") and not is_json(given):
            raise UnsupportedMedia("send the body as application/json")

    def require_json_accepted(self) -> None:
        """
        Refuse a client that wants something else than JSON.

        Raises:
            NotAcceptable.
        """
        if self.accept not in (b"", b"*/*", JSON) and not _accepts_json(self.accept):
            raise NotAcceptable("the answer is application/json, which Accept leaves out")

    def _is_compressed(self) -> bool:
        if not self.content_encoding:
            return False
        encoding = self.content_encoding.strip().lower()
        if encoding in (b"", b"identity"):
            return False
        if encoding == b"gzip" and self._rules.gzip:
            return True
        raise UnsupportedMedia("send the body without Content-Encoding")

    async def _collect(self) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._rules.seconds):
                while not self.body_ended:
                    if len(body) > self._rules.max_bytes:
                        raise self._too_large()
                    body += await self._next_part()
        except TimeoutError:
            raise BodyTooSlow("the body did not arrive in time") from None
        return bytes(body)

    async def _next_part(self) -> bytes:
        part = await self._receive_part()
        self._hold(len(part))
        return part

    def _hold(self, count: int) -> None:
        self._rules.held.hold(count)
        self._held += count

    async def _receive_part(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self.body_ended = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part

    async def _inflate(self, body: bytes) -> bytes:
        rules = self._rules
        inflated = None
        if len(body) <= rules.inline_bytes:
            inflated = _inflated(body, rules.inline_bytes)
        if inflated is None and rules.inline_bytes < rules.max_bytes:
            # Few bytes may become many: begun anew where nobody waits for it.
            inflated = await rules.beside(partial(_inflated, body, rules.max_bytes))
        if inflated is None:
            raise self._too_large()
        self._hold(len(inflated))
        return inflated

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body is longer than {self._rules.max_bytes} bytes")


_RARE_HEADERS = {
    b"x-request-id": "request_id",
    b"content-encoding": "content_encoding",
    b"authorization": "authorization",
    b"inference-header-content-length": "inference_header_length",
    b"origin": "origin",
}


def _inflated(body: bytes, most: int) -> bytes | None:
    """Inflate no further than is allowed, a bomb costs what a body may cost; None for longer."""
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        inflated = inflater.decompress(body, most + 1)
    except zlib.error:
        raise InvalidRequest("the body is not gzip") from None
    if len(inflated) > most:
        return None
    if not inflater.eof or inflater.unused_data:
        raise InvalidRequest("the body is not one whole gzip member")
    return inflated


def valid_request_id(given: bytes | None) -> bytes:
    """The id that a request came with, or a new one where that is of no use."""
    if given and _VALID_REQUEST_ID(given) is not None:
        return given
    return b"%016x" % getrandbits(64)


def media_type(content_type: bytes) -> bytes:
    """The media type alone, in lower case, without parameters."""
    return content_type.partition(b";")[0].strip().lower()


def is_json(content_type: bytes) -> bool:
    """Whether *content_type* is JSON in UTF-8."""
    kind = media_type(content_type)
    if kind != JSON and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
        return False
    return is_utf8(content_type)


def is_utf8(content_type: bytes) -> bool:
    """Whether *content_type* names no other charset than UTF-8."""
    parameters = content_type.partition(b";")[2].lower().replace(b" ", b"").replace(b'"', b"")
    return b"charset=" not in parameters or b"charset=utf-8" in parameters


def _accepts_json(accept: bytes) -> bool:
    for choice in accept.lower().replace(b" ", b"").split(b","):
        kind, _, parameters = choice.partition(b";")
        if kind in (b"*/*", b"application/*", JSON) and _NO_WEIGHT(parameters) is None:
            return True
    return False
