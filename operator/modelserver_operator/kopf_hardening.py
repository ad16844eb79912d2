"""
Everything that leans on kopf's private parts: its watches survive whatever the API server does.

Stock kopf ends the process on six kinds of list and watch faults, lists again nine times a second
on a 410 in the stream, reconnects 915 times a second when accepted watches are reset, waits for
ever on a connection that has died in silence, never learns from a listing that an object is gone,
and watches no kind whose CRD comes later. Here every fault becomes "list again after a backoff",
listings and events are handed over as they come, and the set of kinds is ours to change.
"""

import asyncio
import contextlib
import inspect
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import aiohttp
import kopf
from kopf._cogs.aiokits import aiotasks
from kopf._cogs.clients import errors, fetching, scanning, watching
from kopf._cogs.structs import references
from kopf._core.reactor import observation

from modelserver_operator.kinds import Kind

SUPPORTED: Final = "1.45.2"
_PARAMETERS: Final = {
    "watch_objs": {"settings", "resource", "namespace", "since", "operator_pause_waiter"},
    "fetch_objs": {"settings", "resource", "namespace", "logger"},
    "scan_resources": {"settings", "logger", "groups"},
    "all_tasks": {"ignored"},
    "process_discovered_resource_event": {
        "raw_event",
        "settings",
        "registry",
        "insights",
        "stream_pressure",
        "resource_indexed",
        "operator_indexed",
        "consistency_time",
    },
}
_LIST_AGAIN: Final = {"type": "ERROR", "object": {"code": 410, "message": "list again"}}
_SILENT_SECONDS: Final = 70.0
"""The API server sends a bookmark about every minute: a watch that says less has died."""

_TURNS: Final = 100
"""
Of the event loop, before kopf learns of a kind: whoever starts the watches must be waiting by
then, or never hears of it. Stock kopf is saved by the time that the API server takes to answer.
"""

_BACKBONE: Final = (  # kopf waits for these before it starts; neither is watched
    references.Resource("", "v1", "namespaces", namespaced=False),
    references.Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
)


class Listener(Protocol):
    """Who is told what is listed and watched."""

    def kinds(self) -> Collection[Kind]:
        """What to watch now; see `revise`."""

    def seen(self, plural: str, items: Iterable[dict[str, Any]]) -> None:
        """Some of the objects of a kind, as they are."""

    def listed(self, plural: str, namespace: str | None, alive: set[str], version: str) -> None:
        """The uids of all objects that there are in *namespace* (None: everywhere)."""

    def changed(self, plural: str, event: str, body: dict[str, Any]) -> None:
        """An object that was ADDED, MODIFIED or DELETED."""

    def failed(self, plural: str, namespace: str | None, why: str) -> None:
        """A listing or a watch that was broken off; it will be begun again."""


class _ErrorEvent(Exception):
    """The API server ended a watch in words."""


_FAULTS: Final = (
    _ErrorEvent,
    errors.APIError,
    aiohttp.ClientError,
    TimeoutError,
    OSError,
    ValueError,  # json.JSONDecodeError too
    KeyError,  # what came was JSON, but no event or no object
    TypeError,
    AttributeError,
    RuntimeError,  # aiohttp's, of a connection that was lost between two reads
)


class UnsupportedKopf(RuntimeError):
    """The installed kopf is not the one whose private parts are known."""


@dataclass
class Guard:
    """
    What the wrapped calls of one operator share.

    Args:
        listener: who is told.
        backoff_scale: multiplies every pause, and the silence after which a watch has died.
        alive: called whenever something comes of a watch, be it a fault or silence.
    """

    listener: Listener
    backoff_scale: float = 1.0
    alive: Callable[[], None] = lambda: None
    failures: Counter[tuple[str, str | None]] = field(default_factory=Counter)

    async def back_off(
        self, plural: str, namespace: str | None, why: str, *, at_least_seconds: float = 0.0
    ) -> None:
        """Wait 0.5 to 1 s after the first failure in a row, at most 5 s after the fourth."""
        self.alive()
        self.listener.failed(plural, namespace, why)
        self.failures[plural, namespace] += 1
        longest = min(5.0, 0.5 * 2 ** min(self.failures[plural, namespace], 10))
        seconds = longest * random.uniform(0.5, 1)  # noqa: S311 - no secret
        await asyncio.sleep(max(seconds, at_least_seconds) * self.backoff_scale)

    def forgive(self, plural: str, namespace: str | None) -> None:
        """The next failure is the first in a row."""
        self.failures.pop((plural, namespace), None)


_guard: ContextVar[Guard | None] = ContextVar("guard", default=None)


def protect(guard: Guard) -> None:
    """Have operators that are started from this context tell *guard*'s listener."""
    _guard.set(guard)


def install() -> None:
    """
    Wrap kopf's list and watch calls, once.

    Raises:
        UnsupportedKopf: another version, or functions of another shape.
    """
    _check()
    if watching.watch_objs is _watch:
        return
    watching.watch_objs = _watch
    fetching.fetch_objs = _list
    scanning.scan_resources = _scan
    aiotasks.all_tasks = _all_tasks
    # One line a fault is ours; and that a kind may be missing is no surprise.
    logging.getLogger("kopf._cogs.clients").setLevel(logging.CRITICAL)
    logging.getLogger("kopf._core.reactor.observation").setLevel(logging.ERROR)


async def revise(
    guard: Guard,
    group: str,
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    insights: references.Insights,
) -> None:
    """Have a running operator ask its listener again which kinds of *group* to watch."""
    before = _guard.set(guard)
    try:
        await observation.process_discovered_resource_event(
            raw_event={"type": "MODIFIED", "object": {"spec": {"group": group}}},
            registry=registry,
            settings=settings,
            insights=insights,
        )
    finally:
        _guard.reset(before)


def _check() -> None:
    functions: dict[str, Callable[..., Any]] = {
        "watch_objs": _stock_watch,
        "fetch_objs": _stock_list,
        "scan_resources": _stock_scan,
        "all_tasks": _stock_all_tasks,
        "process_discovered_resource_event": observation.process_discovered_resource_event,
    }
    for name, function in functions.items():
        if set(inspect.signature(function).parameters) != _PARAMETERS[name]:
            raise UnsupportedKopf(f"kopf's {name} has changed: install kopf=={SUPPORTED}")
    version = getattr(kopf, "__version__", SUPPORTED)
    if version != SUPPORTED:
        raise UnsupportedKopf(f"kopf {version} is installed: install kopf=={SUPPORTED}")


_stock_watch = watching.watch_objs
_stock_list = fetching.fetch_objs
_stock_scan = scanning.scan_resources
_stock_all_tasks = aiotasks.all_tasks


async def _watch(*, resource: Any, namespace: Any, **arguments: Any) -> AsyncIterator[Any]:
    """
    Stream events; any fault ends the stream with the one error kopf answers by listing again.

    Kopf is told of each event no more than how far the stream has come.
    """
    guard, plural = _guard.get(), resource.plural
    stream: Any = _stock_watch(resource=resource, namespace=namespace, **arguments)
    if guard is None:
        async for event in stream:
            yield event
        return
    began, quiet = _now(), True
    try:
        async with contextlib.aclosing(stream):
            while (event := await _next(stream, guard)) is not None:
                quiet = False
                guard.forgive(plural, namespace)
                yield _told(guard.listener, plural, event)
    except _FAULTS as error:
        # One that fails after each event is forgiven each time: still no more than one a second.
        left = began + 1 - _now()
        await guard.back_off(plural, namespace, _words(error), at_least_seconds=left)
        yield _LIST_AGAIN
        return
    if quiet and _now() - began < 1:  # accepted, then reset: kopf would reconnect at once
        await guard.back_off(plural, namespace, "the watch ended at once")
    await asyncio.sleep(max(0.0, began + 1 - _now()))


async def _next(stream: Any, guard: Guard) -> dict[str, Any] | None:
    """
    Wait for the next event; None at the end, which a watch that fell silent has reached.

    Kopf's own inactivity_timeout may strike while an event is worked on, and end the watch.
    """
    try:
        guard.alive()
        async with asyncio.timeout(_SILENT_SECONDS * guard.backoff_scale):
            event: dict[str, Any] = await anext(stream)
    except (StopAsyncIteration, TimeoutError):
        return None  # kopf goes on from where the stream had come
    if event["type"] == "ERROR":
        raise _ErrorEvent(f"{event['object'].get('code')}: {event['object'].get('message')}")
    return event


def _told(listener: Listener, plural: str, event: dict[str, Any]) -> dict[str, Any]:
    """Hand an event over; return what kopf gets to see of it."""
    body = event["object"]
    if event["type"] != "BOOKMARK":
        listener.changed(plural, event["type"], body)
    version = body["metadata"]["resourceVersion"]
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}


async def _list(*, resource: Any, namespace: Any, **arguments: Any) -> AsyncIterator[Any]:
    """List; the items go to the listener, kopf gets the version from which to watch."""
    guard = _guard.get()
    stream: Any = _stock_list(resource=resource, namespace=namespace, **arguments)
    if guard is None:
        async for page in stream:
            yield page
        return
    alive: set[str] = set()
    try:
        async for chunk, version in stream:  # noqa: B007 - all pages have the same
            guard.listener.seen(resource.plural, chunk)
            alive.update(item["metadata"]["uid"] for item in chunk)
        guard.listener.listed(resource.plural, namespace, alive, version)
    except _FAULTS as error:
        await guard.back_off(resource.plural, namespace, _words(error))
        raise TimeoutError(_words(error)) from error  # kopf answers by listing again
    yield [], version


async def _scan(
    *, settings: kopf.OperatorSettings, logger: Any, groups: Collection[str] | None = None
) -> Collection[references.Resource]:
    """Answer what there is to watch without asking the API server, which may be down."""
    guard = _guard.get()
    if guard is None:
        return await _stock_scan(settings=settings, logger=logger, groups=groups)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    kinds = (
        references.Resource(
            kind.group,
            kind.version,
            kind.plural,
            kind=kind.name,
            namespaced=True,
            verbs=frozenset({"list", "watch", "patch"}),
        )
        for kind in guard.listener.kinds()
    )
    return [each for each in (*_BACKBONE, *kinds) if groups is None or each.group in groups]


async def _all_tasks(*, ignored: Collection[aiotasks.Task] = frozenset()) -> set[aiotasks.Task]:
    """
    Name no task.

    When it ends, for whatever reason, kopf cancels every task that was made since it began, those
    that it has already ended and ours too, among them the workers and the leader.
    """
    return set() if _guard.get() is not None else {*await _stock_all_tasks(ignored=ignored)}


def _words(error: Any) -> str:
    """Say in a line what went wrong."""
    if isinstance(error, errors.APIError):
        return f"HTTP {error.status}: {error.message or error.code or ''}"[:200]
    if isinstance(error, _ErrorEvent):
        return str(error)[:200]
    return f"{type(error).__name__}: {error}"[:200]


def _now() -> float:
    return asyncio.get_running_loop().time()
