"""Whatever a list or a watch answers becomes "list again", after a pause that grows."""

import asyncio
import inspect
import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from kopf._cogs.clients import errors, fetching, watching
from prometheus_client import CollectorRegistry

from modelserver_operator import kopf_hardening
from modelserver_operator.metrics import Metrics

PODS: Any = SimpleNamespace(plural="pods")
LIST_AGAIN = {"type": "ERROR", "object": {"code": 410, "message": "list again"}}
ADDED = {"type": "ADDED", "object": {"metadata": {"uid": "p1"}}}
FAULTS = [
    pytest.param(aiohttp.ClientPayloadError("reset"), id="a reset"),
    pytest.param(RuntimeError("Connection closed."), id="a reset between two reads"),
    pytest.param(json.JSONDecodeError("x", "garbage", 0), id="a line that is no JSON"),
    pytest.param(errors.APIError(None, status=500, headers={}), id="an error of the API server"),
    pytest.param(errors.APIForbiddenError(None, status=403, headers={}), id="a right taken away"),
    pytest.param(KeyError("metadata"), id="an answer of another shape"),
]


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.heard: list[Any] = []

    def listed(self, plural: str, namespace: str | None, items: Any, version: str) -> None:
        """Keep a listing."""
        self.heard.append((plural, namespace, list(items), version))

    def restarts(self) -> float | None:
        """Read the metric."""
        name = "modelserver_operator_watch_restarts_total"
        return self.metrics.registry.get_sample_value(name, {"kind": "pods"})


@pytest.fixture
def listener():
    """Told of listings, in this test's context only."""
    known = Listener()
    before = kopf_hardening._listener.set(known)
    yield known
    kopf_hardening._listener.reset(before)


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Every pause that was asked for; none is made."""
    asked: list[float] = []

    async def sleep(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(kopf_hardening, "_failures", Counter())
    return asked


def stock(monkeypatch: pytest.MonkeyPatch, which: str, *said: Any) -> None:
    """Have kopf's own function say these things, raising those that are errors."""

    async def generator(**_: Any) -> Any:
        for thing in said:
            if isinstance(thing, Exception):
                raise thing
            yield thing

    monkeypatch.setattr(kopf_hardening, which, generator)


async def watched() -> list[Any]:
    """Watch to the end of the stream."""
    return [event async for event in kopf_hardening._watch(resource=PODS)]


async def listed(namespace: str | None = None) -> list[Any]:
    """List to the end."""
    return [page async for page in kopf_hardening._list(resource=PODS, namespace=namespace)]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_in_a_watch_asks_for_a_new_listing(fault, monkeypatch, listener, pauses):
    """Once, after a pause, and it is counted; kopf would have ended the process or gone wild."""
    stock(monkeypatch, "_stock_watch", ADDED, fault)
    assert await watched() == [ADDED, LIST_AGAIN]
    assert len(pauses) == 1
    assert listener.restarts() == 1


@pytest.mark.parametrize("code", [410, 429, 500])
async def test_an_error_event_ends_the_stream(code, monkeypatch, pauses):
    """What comes after it is not believed."""
    stock(monkeypatch, "_stock_watch", {"type": "ERROR", "object": {"code": code}}, ADDED)
    assert await watched() == [LIST_AGAIN]
    assert len(pauses) == 1


async def test_a_stream_that_ends_at_once_is_not_taken_up_at_once(monkeypatch, pauses):
    """Accepted and reset, a watch would be opened nine hundred times a second."""
    stock(monkeypatch, "_stock_watch")
    assert await watched() == []
    assert len(pauses) == 1


async def test_a_stream_that_told_something_is_taken_up_at_once(monkeypatch, pauses):
    """The API server ends each watch after some minutes: that is no fault."""
    stock(monkeypatch, "_stock_watch", ADDED)
    assert await watched() == [ADDED]
    assert pauses == []


async def test_the_pause_grows_to_ten_seconds_and_starts_anew(monkeypatch, pauses):
    """However long the API server is away; the first event ends the row."""
    stock(monkeypatch, "_stock_watch", aiohttp.ClientError())
    for _ in range(1100):
        await watched()
    assert 0.5 <= pauses[0] <= 1
    assert max(pauses) <= 10
    assert min(pauses[10:]) >= 5
    stock(monkeypatch, "_stock_watch", ADDED, aiohttp.ClientError())
    await watched()
    assert pauses[-1] <= 1


async def test_a_listing_is_handed_over_whole(monkeypatch, listener):
    """Kopf gets only the version: it would not tell which objects are gone."""
    pages = (([{"n": 1}], "5"), ([{"n": 2}], "7"))
    stock(monkeypatch, "_stock_list", *pages)
    assert await listed("team") == [([], "5"), ([], "7")]
    assert listener.heard == [("pods", "team", [{"n": 1}, {"n": 2}], "7")]


@pytest.mark.parametrize("fault", FAULTS)
async def test_half_a_listing_is_none(fault, monkeypatch, listener, pauses):
    """What it lacks would be taken for deleted."""
    stock(monkeypatch, "_stock_list", ([{"n": 1}], "5"), fault)
    with pytest.raises(TimeoutError):  # what kopf answers by listing again
        await listed()
    assert listener.heard == []
    assert len(pauses) == 1


async def test_a_cancelled_watch_is_no_fault(monkeypatch, pauses):
    """Or the operator could not stop."""

    async def cancelled(**_: Any) -> Any:
        yield ADDED
        raise asyncio.CancelledError

    monkeypatch.setattr(kopf_hardening, "_stock_watch", cancelled)
    with pytest.raises(asyncio.CancelledError):
        await watched()
    assert pauses == []


def test_it_is_installed_once(monkeypatch):
    """A second operator in the process does not wrap the wrapper."""
    monkeypatch.setattr(watching, "watch_objs", kopf_hardening._stock_watch)
    monkeypatch.setattr(fetching, "fetch_objs", kopf_hardening._stock_list)
    kopf_hardening.install()
    kopf_hardening.install()
    assert watching.watch_objs is kopf_hardening._watch
    assert fetching.fetch_objs is kopf_hardening._list
    assert kopf_hardening._stock_watch is not kopf_hardening._watch


def test_kopf_takes_what_it_lists_and_watches_from_where_it_is_replaced():
    """A kopf that imported the functions by name would go on with its own."""
    source = inspect.getsource(watching)
    assert "fetching.fetch_objs(" in source
    assert "watch_objs(" in source


@pytest.mark.parametrize(
    ("what", "value"),
    [
        pytest.param("_stock_watch", print, id="functions of another shape"),
        pytest.param("SUPPORTED", "0.1", id="another version"),
    ],
)
def test_another_kopf_is_refused(what, value, monkeypatch):
    """In a sentence that says what to install, instead of watching nothing."""
    monkeypatch.setattr(kopf_hardening, what, value)
    with pytest.raises(kopf_hardening.UnsupportedKopf, match="install kopf=="):
        kopf_hardening.install()
