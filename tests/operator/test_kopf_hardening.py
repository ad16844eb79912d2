"""Whatever a list or a watch answers becomes "list again", after a pause that grows."""

import asyncio
import inspect
import json
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from kopf._cogs.aiokits import aiotasks
from kopf._cogs.clients import errors, fetching, scanning, watching
from kopf._core.reactor import observation, running

from modelserver_operator import kopf_hardening
from modelserver_operator.kinds import POD, SERVICE, SERVICE_MONITOR, Kind

PODS: Any = SimpleNamespace(plural="pods")
LIST_AGAIN = {"type": "ERROR", "object": {"code": 410, "message": "list again"}}
FAULTS = [
    pytest.param(aiohttp.ClientPayloadError("reset"), id="a reset"),
    pytest.param(RuntimeError("Connection closed."), id="a reset between two reads"),
    pytest.param(json.JSONDecodeError("x", "garbage", 0), id="a line that is no JSON"),
    pytest.param(errors.APIError(None, status=500, headers={}), id="an error of the API server"),
    pytest.param(errors.APIForbiddenError(None, status=403, headers={}), id="a right taken away"),
    pytest.param(KeyError("metadata"), id="an answer of another shape"),
]


def pod(number: int) -> dict[str, Any]:
    """Build an object as it is listed."""
    return {"metadata": {"uid": f"p{number}", "resourceVersion": str(number)}}


def added(number: int) -> dict[str, Any]:
    """Build an event."""
    return {"type": "ADDED", "object": pod(number)}


def at(number: int) -> dict[str, Any]:
    """What kopf is told of an event."""
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(number)}}}


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.watched: list[Kind] = [POD]
        self.heard: list[Any] = []
        self.failures: list[Any] = []

    def kinds(self) -> list[Kind]:
        """Name what is watched."""
        return self.watched

    def seen(self, plural: str, items: Any) -> None:
        """Keep a part of a listing."""
        self.heard.append(("seen", plural, [item["metadata"]["uid"] for item in items]))

    def listed(self, plural: str, namespace: str | None, alive: set[str], version: str) -> None:
        """Keep the end of a listing."""
        self.heard.append(("listed", plural, namespace, sorted(alive), version))

    def changed(self, plural: str, event: str, body: dict[str, Any]) -> None:
        """Keep an event."""
        self.heard.append((event, plural, body["metadata"]["uid"]))

    def failed(self, plural: str, namespace: str | None, why: str) -> None:
        """Keep a failure."""
        self.failures.append((plural, namespace, why))


@pytest.fixture
def listener():
    """Told of everything, in this test's context only."""
    known = Listener()
    before = kopf_hardening._guard.set(kopf_hardening.Guard(known))
    yield known
    kopf_hardening._guard.reset(before)


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Every pause that was asked for; none is made."""
    asked: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds:
            asked.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return asked


def stock(monkeypatch: pytest.MonkeyPatch, which: str, *said: Any) -> None:
    """Have kopf's own function say these things, raising those that are errors."""

    async def generator(**_: Any) -> Any:
        for thing in said:
            if isinstance(thing, BaseException):
                raise thing
            yield thing

    monkeypatch.setattr(kopf_hardening, which, generator)


async def watched(namespace: str | None = None) -> list[Any]:
    """Watch to the end of the stream."""
    return [event async for event in kopf_hardening._watch(resource=PODS, namespace=namespace)]


async def listed(namespace: str | None = None) -> list[Any]:
    """List to the end."""
    return [page async for page in kopf_hardening._list(resource=PODS, namespace=namespace)]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_in_a_watch_asks_for_a_new_listing(fault, monkeypatch, listener, pauses):
    """Once, after a pause, and it is told; kopf would have ended the process or gone wild."""
    stock(monkeypatch, "_stock_watch", added(1), fault)
    assert await watched("team") == [at(1), LIST_AGAIN]
    assert len(pauses) == 1
    assert [failure[:2] for failure in listener.failures] == [("pods", "team")]


async def test_events_go_to_the_listener_and_kopf_hears_how_far_they_came(monkeypatch, listener):
    """Its own way costs half a millisecond an event, and memory for every object."""
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
    deleted = {**added(2), "type": "DELETED"}
    stock(monkeypatch, "_stock_watch", added(1), deleted, bookmark)
    assert await watched() == [at(1), at(2), at(9)]
    assert listener.heard == [("ADDED", "pods", "p1"), ("DELETED", "pods", "p2")]


@pytest.mark.parametrize("code", [410, 429, 500])
async def test_an_error_event_ends_the_stream(code, monkeypatch, listener, pauses):
    """What comes after it is not believed."""
    error = {"type": "ERROR", "object": {"code": code, "message": "too old"}}
    stock(monkeypatch, "_stock_watch", error, added(1))
    assert await watched() == [LIST_AGAIN]
    assert len(pauses) == 1
    assert listener.failures == [("pods", None, f"{code}: too old")]


async def test_a_stream_that_ends_at_once_is_not_taken_up_at_once(monkeypatch, listener, pauses):
    """Accepted and reset, a watch would be opened nine hundred times a second."""
    stock(monkeypatch, "_stock_watch")
    assert await watched() == []
    assert len(listener.failures) == 1
    assert sum(pauses) >= 1


async def test_a_stream_that_says_little_and_ends_is_taken_up_within_a_second(
    monkeypatch, listener, pauses
):
    """At most one connection a second, whatever the API server does; it is no fault."""
    stock(monkeypatch, "_stock_watch", added(1))
    assert await watched() == [at(1)]
    assert pauses == [pytest.approx(1, abs=0.1)]
    assert listener.failures == []


@pytest.mark.usefixtures("listener")
async def test_a_stream_that_falls_silent_is_ended(monkeypatch):
    """A connection that died without a word; kopf goes on from where the stream had come."""
    closed = asyncio.Event()

    async def silent(**_: Any) -> Any:
        try:
            yield added(1)
            await asyncio.Event().wait()
        finally:
            closed.set()

    monkeypatch.setattr(kopf_hardening, "_stock_watch", silent)
    monkeypatch.setattr(kopf_hardening, "_SILENT_SECONDS", 0.05)
    assert await watched() == [at(1)]
    assert closed.is_set()


@pytest.mark.usefixtures("listener")
async def test_the_pause_grows_to_five_seconds_and_starts_anew(monkeypatch, pauses):
    """However long the API server is away; the first event ends the row."""
    stock(monkeypatch, "_stock_watch", aiohttp.ClientError())
    for _ in range(1100):
        await watched()
    assert 0.5 <= pauses[0] <= 1
    assert max(pauses) <= 5
    assert min(pauses[10:]) >= 2.5
    stock(monkeypatch, "_stock_watch", added(1), aiohttp.ClientError())
    await watched()
    assert pauses[-1] <= 1


@pytest.mark.usefixtures("listener")
async def test_a_watch_that_fails_after_each_event_is_begun_once_a_second(monkeypatch, pauses):
    """Each event ends the row of failures: the pause alone would be half a second at times."""
    stock(monkeypatch, "_stock_watch", added(1), aiohttp.ClientError())
    for _ in range(20):
        await watched()
    assert min(pauses) == pytest.approx(1, abs=0.1)


async def test_pauses_can_be_scaled(monkeypatch, pauses):
    """Campaigns of faults have no time for real ones."""
    before = kopf_hardening._guard.set(kopf_hardening.Guard(Listener(), backoff_scale=0.1))
    stock(monkeypatch, "_stock_watch", aiohttp.ClientError())
    await watched()
    kopf_hardening._guard.reset(before)
    assert 0.05 <= pauses[0] <= 0.1


async def test_a_listing_is_handed_over_whole(monkeypatch, listener):
    """Kopf gets only the version: it would not tell which objects are gone."""
    stock(monkeypatch, "_stock_list", ([pod(1)], "7"), ([pod(2)], "7"))
    assert await listed("team") == [([], "7")]
    assert listener.heard == [
        ("seen", "pods", ["p1"]),
        ("seen", "pods", ["p2"]),
        ("listed", "pods", "team", ["p1", "p2"], "7"),
    ]


@pytest.mark.parametrize("fault", [*FAULTS, pytest.param(TimeoutError(), id="no answer in time")])
async def test_half_a_listing_is_none(fault, monkeypatch, listener, pauses):
    """What it lacks would be taken for deleted."""
    stock(monkeypatch, "_stock_list", ([pod(1)], "5"), fault)
    with pytest.raises(TimeoutError):  # what kopf answers by listing again
        await listed()
    assert listener.heard == [("seen", "pods", ["p1"])]
    assert len(pauses) == 1


@pytest.mark.usefixtures("listener")
async def test_a_cancelled_watch_is_no_fault(monkeypatch, pauses):
    """Or the operator could not stop."""
    stock(monkeypatch, "_stock_watch", added(1), asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await watched()
    assert pauses == []


async def test_other_operators_in_the_process_are_left_alone(monkeypatch):
    """Whoever has not asked for protection has stock kopf."""
    stock(monkeypatch, "_stock_watch", added(1))
    stock(monkeypatch, "_stock_list", ([pod(1)], "5"))
    assert await watched() == [added(1)]
    assert await listed() == [([pod(1)], "5")]


async def test_what_there_is_to_watch_is_not_asked_of_the_api_server(listener):
    """It may be down, or not know a kind yet; the kinds are known here."""
    listener.watched = [SERVICE, SERVICE_MONITOR]
    scan = kopf_hardening._scan
    found = await scan(settings=None, logger=None, groups={"monitoring.coreos.com"})
    assert [(each.group, each.version, each.plural) for each in found] == [
        (*SERVICE_MONITOR[:2], SERVICE_MONITOR.plural)
    ]
    everything = {each.plural for each in await scan(settings=None, logger=None)}
    assert everything == {"services", "servicemonitors", "namespaces", "customresourcedefinitions"}


@pytest.mark.usefixtures("listener")
async def test_kopf_ends_no_task_of_ours():
    """When it ends it would cancel the leader and the workers, too."""
    ours = asyncio.ensure_future(asyncio.Event().wait())
    assert ours in await kopf_hardening._stock_all_tasks()
    assert await kopf_hardening._all_tasks() == set()
    ours.cancel()


def test_it_is_installed_once(monkeypatch):
    """A second operator in the process does not wrap the wrapper."""
    monkeypatch.setattr(watching, "watch_objs", kopf_hardening._stock_watch)
    monkeypatch.setattr(fetching, "fetch_objs", kopf_hardening._stock_list)
    monkeypatch.setattr(scanning, "scan_resources", kopf_hardening._stock_scan)
    monkeypatch.setattr(aiotasks, "all_tasks", kopf_hardening._stock_all_tasks)
    kopf_hardening.install()
    kopf_hardening.install()
    assert watching.watch_objs is kopf_hardening._watch
    assert fetching.fetch_objs is kopf_hardening._list
    assert scanning.scan_resources is kopf_hardening._scan
    assert aiotasks.all_tasks is kopf_hardening._all_tasks
    assert kopf_hardening._stock_watch is not kopf_hardening._watch


def test_kopf_takes_what_it_calls_from_where_it_is_replaced():
    """A kopf that imported the functions by name would go on with its own."""
    source = inspect.getsource(watching)
    assert "fetching.fetch_objs(" in source
    assert "watch_objs(" in source
    assert "scanning.scan_resources(" in inspect.getsource(observation)
    assert "aiotasks.all_tasks(" in inspect.getsource(running)


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
