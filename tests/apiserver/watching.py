"""One open watch: events as JSON lines, until the client, the clock or a fault ends it."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from apiserver.failures import REASONS, Refused
from apiserver.faults import Call, Rule
from apiserver.resources import Body
from apiserver.storage import Watcher

_ORDER: Final = "a rule strikes"
_END: Final = "the watch ends"
_HALF_A_LINE: Final = b'{"type":"MODIFIED","object":{"kind":"Pod","metadata":{"na'
_GARBAGE: Final = b"<html>502 Bad Gateway</html>\n"


class Cut(Exception):
    """The connection is to be closed without an end of the body."""


@dataclass(eq=False)
class Stream:
    """
    An accepted watch.

    Attributes:
        bookmarks: whether the client asked for bookmarks.
        serve: turns a stored object into what this client sees.
    """

    call: Call
    watcher: Watcher
    seconds: float
    bookmarks: bool
    serve: Callable[[Body], Body]

    def strike(self, rule: Rule) -> None:
        """Have *rule* strike this watch, after what is queued."""
        self.watcher.queue.put_nowait((_ORDER, rule))

    def end(self) -> None:
        """Close the watch in good order, after what is queued."""
        self.watcher.queue.put_nowait((_END, None))

    def bookmark(self, revision: int, **annotations: str) -> None:
        """Queue a bookmark, where the client asked for them."""
        if self.bookmarks:
            metadata: Body = {"resourceVersion": str(revision)}
            if annotations:
                metadata["annotations"] = {
                    f"k8s.io/{name.replace('_', '-')}": value for name, value in annotations.items()
                }
            self.watcher.queue.put_nowait(("BOOKMARK", {"metadata": metadata}))

    async def run(self, response: web.StreamResponse) -> None:
        """Send events until the end; raises `Cut` where a fault wants the connection cut."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self.seconds):
                while await self._step(response):
                    pass

    async def _step(self, response: web.StreamResponse) -> bool:
        kind, body = await self.watcher.queue.get()
        if kind == _ORDER:
            return await self._obey(body, response)
        if kind != _END:
            await response.write(line(kind, self.serve(body)))
        return kind != _END

    async def _obey(self, rule: Rule, response: web.StreamResponse) -> bool:
        """Do what *rule* says; returns whether the watch goes on."""
        match rule.action:
            case "watch-reset":
                raise Cut
            case "watch-error":
                await response.write(line("ERROR", error(rule.code, rule.message)))
            case "watch-garbage":
                await response.write(_GARBAGE)
            case "watch-eof":
                await response.write(_HALF_A_LINE)
            case "watch-silence":
                await rule.lifted.wait()
                return True
            case "watch-dead":
                await asyncio.get_running_loop().create_future()
            case _:  # watch-end
                pass
        return False


def line(kind: str, body: Any) -> bytes:
    """Write one event."""
    return orjson.dumps({"type": kind, "object": body}) + b"\n"


def error(code: int, message: str) -> Body:
    """Write the Status of an in-stream ERROR."""
    return Refused(code, message, reason=REASONS.get(code)).body
