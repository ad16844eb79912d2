"""
Everything that leans on kopf's private parts: its watches survive whatever the API server does.

Stock kopf ends the process on six kinds of list and watch faults, relists nine times a second on a
410 in the stream, reconnects 915 times a second when accepted watches are reset, and never learns
from a listing that an object is gone. Here every such fault becomes "list again after a backoff",
and a listing is handed over whole.
"""

import asyncio
import inspect
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextvars import ContextVar
from typing import Any, Final, Protocol

import aiohttp
import kopf
from kopf._cogs.clients import errors, fetching, watching

from modelserver_operator.metrics import Metrics

SUPPORTED: Final = "1.45.2"
_PARAMETERS: Final = {
    "watch_objs": {"settings", "resource", "namespace", "since", "operator_pause_waiter"},
    "fetch_objs": {"settings", "resource", "namespace", "logger"},
}
_LIST_AGAIN: Final = {"type": "ERROR", "object": {"code": 410, "message": "list again"}}
_FAULTS: Final = (
    *(errors.APIError, aiohttp.ClientError, OSError),
    *(json.JSONDecodeError, ValueError, KeyError),
    RuntimeError,  # aiohttp's, of a connection that was lost between two reads
)


class Listener(Protocol):
    """Who is told of whole listings."""

    metrics: Metrics

    def listed(
        self, plural: str, namespace: str | None, items: Collection[dict[str, Any]], version: str
    ) -> None:
        """Everything of a kind that there is in *namespace* (None: everywhere), as of *version*."""


class UnsupportedKopf(RuntimeError):
    """The installed kopf is not the one whose private parts are known."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_failures: Counter[str] = Counter()


def listen(listener: Listener) -> None:
    """Hand the listings of operators started from this context to *listener*."""
    _listener.set(listener)


def install() -> None:
    """
    Wrap kopf's list and watch calls, once.

    Raises:
        UnsupportedKopf: another version, or functions of another shape.
    """
    _check()
    if watching.watch_objs is not _watch:
        watching.watch_objs = _watch
        fetching.fetch_objs = _list


def _check() -> None:
    functions: dict[str, Callable[..., Any]] = {
        "watch_objs": _stock_watch,
        "fetch_objs": _stock_list,
    }
    for name, function in functions.items():
        if set(inspect.signature(function).parameters) != _PARAMETERS[name]:
            raise UnsupportedKopf(f"kopf's {name} has changed: install kopf=={SUPPORTED}")
    version = getattr(kopf, "__version__", SUPPORTED)
    if version != SUPPORTED:
        raise UnsupportedKopf(f"kopf {version} is installed: install kopf=={SUPPORTED}")


_stock_watch = watching.watch_objs
_stock_list = fetching.fetch_objs


async def _watch(*, resource: Any, **arguments: Any) -> AsyncIterator[Any]:
    """Stream events; any fault ends the stream with the one error kopf answers by listing again."""
    started = asyncio.get_running_loop().time()
    quiet = True
    try:
        async for event in _stock_watch(resource=resource, **arguments):
            if event.get("type") == "ERROR":
                await _back_off(resource.plural)
                yield _LIST_AGAIN
                return
            quiet = False
            _failures.pop(resource.plural, None)
            yield event
    except _FAULTS:
        await _back_off(resource.plural)
        yield _LIST_AGAIN
        return
    if quiet and asyncio.get_running_loop().time() - started < 1:
        await _back_off(resource.plural)  # accepted, then reset: kopf would reconnect at once


async def _list(*, resource: Any, namespace: Any, **arguments: Any) -> AsyncIterator[Any]:
    """List; the items go to the listener, kopf gets the version from which to watch."""
    listener = _listener.get()
    items: list[Any] = []
    version = ""
    try:
        async for chunk, version in _stock_list(
            resource=resource, namespace=namespace, **arguments
        ):
            items.extend(chunk)
            yield ([] if listener is not None else chunk), version
    except _FAULTS as error:
        await _back_off(resource.plural)
        raise TimeoutError(str(error)[:200]) from error  # kopf answers by listing again
    if listener is not None:
        listener.listed(resource.plural, namespace, items, version)


async def _back_off(plural: str) -> None:
    """Wait 0.5 to 1 s after the first failure in a row, up to 10 s after the sixth."""
    listener = _listener.get()
    if listener is not None:
        listener.metrics.watch_restarts.labels(kind=plural).inc()
    _failures[plural] += 1
    longest = min(10.0, 0.5 * 2 ** min(_failures[plural], 10))
    await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311 - no secret
