"""One request: how it is addressed, what may go wrong with it, and when it is not sent."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from apiserver import ApiServer, Rule
from modelserver_operator.cluster import Cluster
from modelserver_operator.errors import (
    ApiUnavailable,
    ChildRefused,
    NamespaceTerminating,
    StalePicture,
)
from modelserver_operator.kinds import CONFIG_MAP, MODEL_SERVER, SERVICE_MONITOR
from modelserver_operator.metrics import Metrics
from modelserver_operator.ratelimit import TokenBucket


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """An API server."""
    async with ApiServer() as running:
        yield running


@pytest.fixture
def metrics() -> Metrics:
    """Its client's counters."""
    return Metrics(CollectorRegistry())


@pytest.fixture
async def cluster(server, metrics) -> AsyncIterator[Cluster]:
    """A client of that server."""
    async with Cluster.connect(metrics, server.configuration(), timeout_seconds=0.3) as connected:
        yield connected


def settings(**more: Any) -> dict[str, Any]:
    """Build a ConfigMap."""
    labels = {"app.kubernetes.io/managed-by": "modelserver-operator"}
    metadata = {"name": "settings", "namespace": "default", "labels": labels, **more}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"A": "1"}}


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    """Read a counter."""
    return metrics.registry.get_sample_value(f"modelserver_operator_{name}", labels) or 0.0


async def test_an_object_is_made_read_listed_and_deleted(cluster, server):
    """By the field manager that owns what it sets, and by uid where it ends."""
    assert await cluster.get(CONFIG_MAP, "default", "settings") is None
    made = await cluster.apply(CONFIG_MAP, settings())
    assert (await cluster.get(CONFIG_MAP, "default", "settings")) == made
    assert made["metadata"]["managedFields"][0]["manager"] == "modelserver-operator"
    uids, version = await cluster.list_metadata(CONFIG_MAP, None)
    assert uids == {made["metadata"]["uid"]}
    assert version >= int(made["metadata"]["resourceVersion"])
    await cluster.overwrite(CONFIG_MAP, made, {})
    stranger = {"metadata": {**made["metadata"], "uid": "another"}}
    await cluster.delete(CONFIG_MAP, stranger)
    assert server.find("ConfigMap", "default", "settings") is not None
    await cluster.delete(CONFIG_MAP, made)
    assert server.find("ConfigMap", "default", "settings") is None


@pytest.mark.parametrize("code", [404, 409])
async def test_what_is_still_there_was_not_deleted(code, cluster, server):
    """Whatever was answered: an object that was taken for gone would never be looked at again."""
    made = await cluster.apply(CONFIG_MAP, settings())
    lie = Rule("status", verbs=("delete",), code=code)
    with server.faults(lie), pytest.raises(StalePicture):
        await cluster.delete(CONFIG_MAP, made)
    await cluster.delete(CONFIG_MAP, made)
    await cluster.delete(CONFIG_MAP, made)  # it is gone: that is all we wanted
    assert server.find("ConfigMap", "default", "settings") is None


async def test_a_long_listing_comes_in_pages(cluster, server, monkeypatch):
    """And is one set of uids."""
    monkeypatch.setattr("modelserver_operator.cluster._PAGE", 2)
    for name in "abcde":
        server.create(settings(name=name))
    uids, _ = await cluster.list_metadata(CONFIG_MAP, "default")
    assert len(uids) == 5


async def test_whether_a_kind_is_served(cluster, server):
    """By one request that needs no right."""
    assert await cluster.serves(SERVICE_MONITOR)
    server.serve_service_monitors(False)  # noqa: FBT003
    assert not await cluster.serves(SERVICE_MONITOR)
    assert await cluster.serves(MODEL_SERVER)


POLICY = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: the port is immutable"
WEBHOOK = 'admission webhook "w.example.com" denied the request: not on Fridays'
TOO_NEW = ".spec.behavior.scaleUp.tolerance: field not declared in schema"
TERMINATING = "unable to create new content in namespace default because it is being terminated"


@pytest.mark.parametrize(
    ("code", "message", "error", "reason"),
    [
        pytest.param(404, "no such thing", StalePicture, "", id="gone"),
        pytest.param(409, "modified", StalePicture, "", id="changed"),
        pytest.param(422, "metadata.uid: field is immutable", StalePicture, "", id="another uid"),
        pytest.param(403, TERMINATING, NamespaceTerminating, "", id="namespace going"),
        pytest.param(404, 'namespaces "default" not found', NamespaceTerminating, "", id="gone ns"),
        pytest.param(403, "exceeded quota: q", ChildRefused, "QuotaExceeded", id="quota"),
        pytest.param(403, "not allowed", ChildRefused, "Forbidden", id="no right"),
        pytest.param(422, POLICY, ChildRefused, "Forbidden", id="policy"),
        pytest.param(400, WEBHOOK, ChildRefused, "Forbidden", id="webhook"),
        pytest.param(422, "field is immutable", ChildRefused, "ImmutableField", id="immutable"),
        pytest.param(422, "spec.ports: invalid", ChildRefused, "InvalidSpec", id="invalid"),
        pytest.param(400, "bad", ChildRefused, "InvalidSpec", id="malformed"),
        pytest.param(500, TOO_NEW, ChildRefused, "InvalidSpec", id="a field of a newer release"),
        pytest.param(401, "who are you", ApiUnavailable, "", id="token run out"),
        pytest.param(410, "gone", ApiUnavailable, "", id="too old"),
        pytest.param(500, "oops", ApiUnavailable, "", id="broken"),
        pytest.param(503, "later", ApiUnavailable, "", id="overloaded"),
    ],
)
async def test_refusals_are_sorted_by_what_we_do_about_them(  # noqa: PLR0913 - a table
    code, message, error, reason, cluster, server
):
    """Look again, wait for a person, be quiet, or try again."""
    with (
        server.faults(Rule("status", code=code, message=message)),
        pytest.raises(error) as raised,
    ):
        await cluster.apply(CONFIG_MAP, settings())
    assert type(raised.value) is error
    assert getattr(raised.value, "reason", "") == reason


async def test_the_server_may_say_when_to_come_back(cluster, server):
    """And is believed."""
    with (
        server.faults(Rule("status", code=429, retry_after=7)),
        pytest.raises(ApiUnavailable) as raised,
    ):
        await cluster.apply(CONFIG_MAP, settings())
    assert raised.value.retry_after == 7


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        ("hang", "timeout"),
        ("hang-after-commit", "timeout"),
        ("reset-before", "broken"),
        ("reset-after-commit", "broken"),
        ("truncated", "broken"),
    ],
)
async def test_no_usable_answer_is_a_reason_to_try_again(way, outcome, cluster, server, metrics):
    """Within the time that one request may take, and it is counted."""
    began = asyncio.get_running_loop().time()
    with server.faults(Rule(way)), pytest.raises(ApiUnavailable):
        await cluster.apply(CONFIG_MAP, settings())
    assert asyncio.get_running_loop().time() - began < 1
    assert counted(metrics, "requests_total", verb="apply", outcome=outcome) == 1


async def test_what_could_outlast_the_lease_is_not_started(cluster, server, metrics):
    """Nor is it counted as a write; what is started is over when the Lease is."""
    now = asyncio.get_running_loop().time
    cluster.may_write_until = lambda: now() + 0.4
    for refused in (
        cluster.apply(CONFIG_MAP, settings()),
        cluster.get(CONFIG_MAP, "default", "settings"),
    ):
        with pytest.raises(ApiUnavailable, match="lease"):
            await refused
    assert len(server.journal) == 0
    assert counted(metrics, "writes_total", verb="apply", kind="ConfigMap") == 0
    cluster.may_write_until = lambda: now() + 10
    await cluster.apply(CONFIG_MAP, settings())
    assert counted(metrics, "writes_total", verb="apply", kind="ConfigMap") == 1


async def test_a_standby_may_look_around(cluster):
    """It fills its store, and reads the Lease."""
    cluster.may_write_until = lambda: float("-inf")
    await cluster.list_metadata(CONFIG_MAP, None)
    assert await cluster.serves(MODEL_SERVER)
    assert await cluster.read_lease("default", "lease") is None


async def test_the_lease_waits_for_nobody(server, metrics):
    """However many requests wait for their turn: leadership does not starve."""
    limit = TokenBucket(per_second=5, burst=1)
    async with Cluster.connect(metrics, server.configuration(), limit=limit) as cluster:
        waiting = [
            asyncio.create_task(cluster.get(CONFIG_MAP, "default", str(number)))
            for number in range(5)
        ]
        await asyncio.sleep(0.05)
        began = asyncio.get_running_loop().time()
        await cluster.read_lease("default", "lease")
        assert asyncio.get_running_loop().time() - began < 0.1
        await asyncio.gather(*waiting)
    assert counted(metrics, "throttled_seconds_total") > 1


@pytest.fixture
def server_beside() -> Iterator[ApiServer]:
    """An API server in a thread of its own, which goes on while its client is frozen."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ApiServer()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        yield server
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.parametrize("turns", range(20))
async def test_a_write_that_slept_through_the_lease_is_not_sent(
    turns, server_beside, metrics, monkeypatch
):
    """Wherever between the look at the Lease and the first byte the process was frozen."""
    loop = asyncio.get_running_loop()
    now = loop.time
    until = now() + 8
    async with Cluster.connect(metrics, server_beside.configuration()) as cluster:
        cluster.may_write_until = lambda: until
        writing = asyncio.create_task(cluster.apply(CONFIG_MAP, settings()))
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.05)  # noqa: ASYNC251 - frozen; what has been sent comes in
        sent = server_beside.journal.writes()
        monkeypatch.setattr(loop, "time", lambda: now() + 10)
        with contextlib.suppress(ApiUnavailable):
            await writing
        time.sleep(0.05)  # noqa: ASYNC251 - so would what was sent too late
    assert server_beside.journal.writes() == sent
