"""The fake API server answers as a real one does, and misbehaves only as told."""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kopf._cogs.clients import auth, scanning, watching
from kopf._cogs.configs.configuration import OperatorSettings
from kopf._cogs.structs import credentials, references
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient
from kubernetes.aio.dynamic.exceptions import ConflictError, DynamicApiError

from apiserver import READY_CONTAINER, ApiServer, Call, Refused, Reset, Rule, roll_out
from apiserver.conversation import held
from apiserver.quantity import canonical

Body = dict[str, Any]

TESTS = Path(__file__).parents[1]
ANSWERS = TESTS / "apiserver" / "answers.json"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer(["default", "other", "conversation"]) as server:
        yield server


@pytest.fixture
async def http(server: ApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=2)
    async with aiohttp.ClientSession(server.url, timeout=timeout) as http:
        yield http


@pytest.fixture
async def dynamic(server: ApiServer, tmp_path: Path) -> AsyncIterator[DynamicClient]:
    cache = tmp_path / "discovery.json"
    async with (
        client.ApiClient(server.configuration()) as api,
        DynamicClient(api, cache_file=str(cache)) as dynamic,
    ):
        yield dynamic


def config_map(name: str = "a", **rest: Any) -> Body:
    metadata = {"name": name, "namespace": "default", **rest.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **rest}


def deployment(replicas: int = 2) -> Body:
    container = {"name": "runtime", "image": "example/runtime:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [container]},
            },
        },
    }


def owned_by(owner: Body) -> Body:
    metadata = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    return {"ownerReferences": [{**reference, "name": metadata["name"], "uid": metadata["uid"]}]}


def everything(_: Call) -> bool:
    return True


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


# What a real API server would say


def recorded() -> list[Body]:
    answers: list[Body] = json.loads(ANSWERS.read_text())["answers"]
    return answers


async def test_answers_what_a_real_one_answered(server: ApiServer) -> None:
    """110 requests about everything the operator touches: the same codes, the same objects."""
    async with client.ApiClient(server.configuration()) as api:
        assert await held(api, "conversation") == recorded()


def without_the_controllers_part(answers: list[Body]) -> list[Body]:
    """Controllers write status, and with it versions and managers."""
    return [
        {
            **{name: value for name, value in answer.items() if name not in ("moved", "body")},
            "body": {
                name: value
                for name, value in answer.get("body", {}).items()
                if name not in ("status", "metadata")
            },
        }
        for answer in answers
    ]


@pytest.mark.cluster
async def test_a_real_one_still_answers_so() -> None:
    """What was recorded is what the cluster of today answers, its controllers' part left out."""
    kubeconfig = os.environ.get("MODELSERVER_KUBECONFIG")
    if not kubeconfig:
        pytest.skip("MODELSERVER_KUBECONFIG names no cluster")
    settings = client.Configuration()
    await config.load_kube_config(kubeconfig, client_configuration=settings)
    namespace = f"conversation-{secrets.token_hex(3)}"
    async with client.ApiClient(settings) as api:
        core = client.CoreV1Api(api)
        await core.create_namespace(
            client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace))
        )
        try:
            answers = await held(api, namespace)
        finally:
            await core.delete_namespace(namespace)
    assert without_the_controllers_part(answers) == without_the_controllers_part(recorded())


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param("1000m", "1", id="a thousand millis are one"),
        pytest.param("0.5", "500m", id="no fractions"),
        pytest.param("1024Mi", "1Gi", id="the largest unit that fits"),
        pytest.param("1536Mi", "1536Mi", id="that leaves no fraction"),
        pytest.param("1000Ki", "1000Ki", id="binary stays binary"),
        pytest.param("2000", "2k", id="decimal stays decimal"),
        pytest.param(0, "0", id="nothing is nothing"),
    ],
)
def test_quantities_have_one_spelling(written: str | int, read: str) -> None:
    """The operator must write what it will read, or it repairs for ever."""
    assert canonical(written) == read


async def test_objects_need_a_namespace(server: ApiServer) -> None:
    """Nothing can be made where nothing is, or where everything goes."""
    with pytest.raises(Refused, match='namespaces "nowhere" not found'):
        server.create(config_map(metadata={"namespace": "nowhere"}))
    server.garbage_collection = False
    server.create(config_map(metadata={"namespace": "other"}))
    server.edit("Namespace", "", "other", {"metadata": {"finalizers": ["a/b"]}})
    server.delete("Namespace", "", "other")
    with pytest.raises(Refused, match="because it is being terminated"):
        server.create(config_map("b", metadata={"namespace": "other"}))


# Discovery, lists


async def test_the_dynamic_client_finds_its_way(dynamic: DynamicClient) -> None:
    """Discovery tells the client where every kind lives, and its subresources."""
    deployments = await dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    await dynamic.server_side_apply(deployments, deployment(), field_manager="op")
    found = await dynamic.get(deployments, name="web", namespace="default")
    servers = await dynamic.resources.get(
        api_version="modelserver.dev/v1alpha1", kind="ModelServer"
    )
    assert (found.spec.replicas, sorted(servers.subresources)) == (2, ["scale", "status"])


async def test_a_crd_can_come_and_go(server: ApiServer, http: aiohttp.ClientSession) -> None:
    """Without its CRD a kind is no path, and its objects are gone."""
    path = "/apis/monitoring.coreos.com/v1"
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {},
    }
    server.create(monitor)
    server.serve_service_monitors(served=False)
    async with http.get(path) as gone, http.get(f"{path}/servicemonitors") as nothing:
        assert (gone.status, nothing.status) == (404, 404)
    server.serve_service_monitors(served=True)
    async with http.get(path) as back, http.get(f"{path}/servicemonitors") as empty:
        assert (back.status, (await empty.json())["items"]) == (200, [])


async def test_pages_show_one_moment(server: ApiServer, http: aiohttp.ClientSession) -> None:
    """What is written between two pages is on neither; an expired token is 410."""
    for name in "abc":
        server.create(config_map(name))
    async with http.get(CONFIG_MAPS, params={"limit": "2"}) as response:
        first = await response.json()
    server.create(config_map("d"))
    query = {"limit": "2", "continue": first["metadata"]["continue"]}
    async with http.get(CONFIG_MAPS, params=query) as response:
        second = await response.json()
    names = [item["metadata"]["name"] for item in first["items"] + second["items"]]
    assert names == ["a", "b", "c"]
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    server.api.storage.compact()
    async with http.get(CONFIG_MAPS, params=query) as response:
        assert (response.status, (await response.json())["reason"]) == (410, "Expired")


async def test_metadata_alone(server: ApiServer, http: aiohttp.ClientSession) -> None:
    """A client that asks for metadata gets no data."""
    server.create(config_map(data={"big": "x"}))
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    async with http.get(CONFIG_MAPS, headers={"Accept": accept}) as response:
        found = await response.json()
    assert found["kind"] == "PartialObjectMetadataList"
    assert [sorted(item) for item in found["items"]] == [["apiVersion", "kind", "metadata"]]


# Watches


class Watched:
    """Reads a watch line by line."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def event(self) -> tuple[str, str]:
        """The next event: its type and the object's name."""
        line = json.loads(await self._response.content.readline())
        return line["type"], line["object"].get("metadata", {}).get("name", "")


async def watch(
    http: aiohttp.ClientSession, server: ApiServer, **query: str
) -> tuple[aiohttp.ClientResponse, Watched]:
    query = {"watch": "true", "resourceVersion": str(server.storage_revision), **query}
    response = await http.get(CONFIG_MAPS, params=query)
    return response, Watched(response)


async def test_a_watch_tells_what_happens(server: ApiServer, http: aiohttp.ClientSession) -> None:
    """Everything after the given version, once, in order, in this namespace only."""
    server.create(config_map("before"))
    response, watched = await watch(http, server)
    server.create(config_map("a"))
    server.create(config_map("elsewhere", metadata={"namespace": "other"}))
    server.edit("ConfigMap", "default", "a", {"data": {"x": "y"}})
    server.edit("ConfigMap", "default", "a", {"data": {"x": "y"}})
    server.delete("ConfigMap", "default", "a")
    events = [await watched.event() for _ in range(3)]
    response.close()
    assert events == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_watch_goes_on_where_the_last_one_ended(
    server: ApiServer, http: aiohttp.ClientSession
) -> None:
    """The history is replayed to a watch that gives an older version."""
    since = str(server.storage_revision)
    server.create(config_map("a"))
    server.delete("ConfigMap", "default", "a")
    response, watched = await watch(http, server, resourceVersion=since)
    events = [await watched.event() for _ in range(2)]
    response.close()
    assert events == [("ADDED", "a"), ("DELETED", "a")]


async def test_leaving_the_selector_is_deletion(
    server: ApiServer, http: aiohttp.ClientSession
) -> None:
    """A selecting watch sees objects come and go by their labels."""
    server.create(config_map("a"))
    response, watched = await watch(http, server, labelSelector="x=1")
    for labels in ({"x": "1"}, {"y": "1"}, {"x": "2"}):
        server.edit("ConfigMap", "default", "a", {"metadata": {"labels": labels}})
    events = [await watched.event() for _ in range(3)]
    response.close()
    assert events == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_too_old_is_told_in_the_stream(
    server: ApiServer, http: aiohttp.ClientSession
) -> None:
    """A watch from before the compaction is accepted, carries 410 and ends."""
    since = str(server.storage_revision)
    server.create(config_map("a"))
    server.api.storage.compact()
    response, _ = await watch(http, server, resourceVersion=since)
    lines = (await response.text()).splitlines()
    assert [(json.loads(line)["type"], json.loads(line)["object"]["code"]) for line in lines] == [
        ("ERROR", 410)
    ]


async def test_bookmarks_are_for_those_who_ask(
    server: ApiServer, http: aiohttp.ClientSession
) -> None:
    """A bookmark carries the version up to which nothing was missed."""
    asking, hears = await watch(http, server, allowWatchBookmarks="true")
    silent, hears_not = await watch(http, server)
    server.bookmark()
    server.create(config_map("a"))
    assert await hears.event() == ("BOOKMARK", "")
    assert await hears_not.event() == ("ADDED", "a")
    asking.close()
    silent.close()


async def test_watches_end_by_their_own_clock(
    server: ApiServer, http: aiohttp.ClientSession
) -> None:
    """The server ends a watch in good order after timeoutSeconds."""
    response, _ = await watch(http, server, timeoutSeconds="0.05")
    assert await response.text() == ""
    assert server.open_watches == []


# Garbage


async def test_garbage_goes_with_its_owner(server: ApiServer) -> None:
    """Dependents of dependents too; those with a living owner stay."""
    top = server.create(config_map("top"))
    middle = server.create(config_map("middle", metadata=owned_by(top)))
    server.create(config_map("bottom", metadata=owned_by(middle)))
    other = server.create(config_map("other"))
    both = owned_by(top)["ownerReferences"] + owned_by(other)["ownerReferences"]
    server.create(config_map("shared", metadata={"ownerReferences": both}))
    server.delete("ConfigMap", "default", "top")
    await asyncio.sleep(0.01)
    left = [body["metadata"]["name"] for body in server.objects("ConfigMap", "default")]
    assert left == ["other", "shared"]


async def test_a_slow_collector_leaves_garbage(server: ApiServer) -> None:
    """Switched off, children of the dead stay until it is switched on again."""
    server.garbage_collection = False
    top = server.create(config_map("top"))
    server.create(config_map("child", metadata=owned_by(top)))
    server.delete("ConfigMap", "default", "top")
    await asyncio.sleep(0.01)
    assert server.find("ConfigMap", "default", "child") is not None
    server.garbage_collection = True
    assert server.find("ConfigMap", "default", "child") is None


async def test_foreground_deletion_waits_for_dependents(server: ApiServer) -> None:
    """The owner goes last."""
    server.garbage_collection = False
    top = server.create(config_map("top"))
    server.create(config_map("child", metadata=owned_by(top)))
    server.delete("ConfigMap", "default", "top", propagation="Foreground")
    waiting = server.get("ConfigMap", "default", "top")["metadata"]
    server.garbage_collection = True
    assert waiting["finalizers"] == ["foregroundDeletion"]
    assert server.objects("ConfigMap", "default") == []


# The Deployment controller


async def test_a_rollout_moves_as_told(server: ApiServer) -> None:
    """Half way: both ReplicaSets have pods and the counts add up; then the new one alone."""
    server.create(deployment(replicas=2))
    roll_out(server, "default", "web")
    image = {"name": "runtime", "image": "example/runtime:2"}
    server.edit(
        "Deployment", "default", "web", {"spec": {"template": {"spec": {"containers": [image]}}}}
    )
    half = roll_out(server, "default", "web", ready=1, old_ready=1)["status"]
    counted = {name: half[name] for name in ("replicas", "updatedReplicas", "readyReplicas")}
    assert counted == {"replicas": 3, "updatedReplicas": 2, "readyReplicas": 2}
    whole = roll_out(server, "default", "web")["status"]
    assert (whole["replicas"], whole["readyReplicas"], whole["observedGeneration"]) == (2, 2, 2)
    pods = server.objects("Pod", "default")
    assert [pod["spec"]["containers"][0]["image"] for pod in pods] == ["example/runtime:2"] * 2
    assert all(
        READY_CONTAINER.items() <= pod["status"]["containerStatuses"][0].items() for pod in pods
    )
    before = server.storage_revision
    roll_out(server, "default", "web")
    assert server.storage_revision == before


# Faults


async def attempt(http: aiohttp.ClientSession, name: str = "a") -> int | str:
    """POST a ConfigMap; the status, or how it failed."""
    try:
        async with http.post(CONFIG_MAPS, json=config_map(name)) as response:
            await response.json()
            return response.status
    except TimeoutError:
        return "timeout"
    except aiohttp.ClientPayloadError:
        return "half an answer"
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
        return "reset"


@pytest.mark.parametrize("code", [401, 403, 404, 409, 410, 422, 429, 500, 503, 504])
async def test_any_status_can_be_answered(
    server: ApiServer, http: aiohttp.ClientSession, code: int
) -> None:
    """The answer is a Kubernetes Status, nothing is done, and afterwards all is well."""
    with server.faults(Rule("status", verbs=("create",), code=code, retry_after=7)):
        async with http.post(CONFIG_MAPS, json=config_map()) as response:
            status = await response.json()
            assert (response.status, status["code"], status["kind"]) == (code, code, "Status")
            assert response.headers["Retry-After"] == "7"
    assert server.find("ConfigMap", "default", "a") is None
    assert await attempt(http) == 201


@pytest.mark.parametrize(
    ("rule", "outcome", "acted"),
    [
        pytest.param(Rule("hang"), "timeout", False, id="hang"),
        pytest.param(Rule("hang-after-commit"), "timeout", True, id="hang after commit"),
        pytest.param(Rule("reset-before"), "reset", False, id="reset before"),
        pytest.param(Rule("reset-after-commit"), "reset", True, id="reset after commit"),
        pytest.param(Rule("truncated"), "half an answer", True, id="truncated"),
        pytest.param(Rule("slow", seconds=0.02), 201, True, id="slow"),
    ],
)
async def test_connections_can_fail(
    server: ApiServer, rule: Rule, outcome: int | str, *, acted: bool
) -> None:
    """Each way of failing either acted or did not; the journal says which rule struck."""
    quick = aiohttp.ClientTimeout(total=0.2)
    async with aiohttp.ClientSession(server.url, timeout=quick) as http:
        with server.faults(rule):
            assert await attempt(http) == outcome
        assert (server.find("ConfigMap", "default", "a") is not None) is acted
        assert [record.fault for record in server.journal] == [rule.action]
        assert await attempt(http, "b") == 201


async def test_rules_strike_what_they_name(server: ApiServer, http: aiohttp.ClientSession) -> None:
    """By kind, name and count: campaigns on disjoint objects do not meet."""
    sick = Rule("status", kinds=("ConfigMap",), names=("sick-*",), skip=1, times=2)
    with server.faults(sick):
        names = ("sick-0", "sick-1", "well", "sick-2", "sick-3")
        outcomes = [await attempt(http, name) for name in names]
    assert outcomes == [201, 500, 201, 500, 201]
    assert sick.hits == 2


async def test_rules_strike_whom_they_name(server: ApiServer, http: aiohttp.ClientSession) -> None:
    """One client can be cut off while the others are served; the journal knows who called."""
    as_alice, as_bob = ({"Authorization": f"Bearer {user}"} for user in ("alice", "bob"))
    with server.faults(Rule("status", users=("alice",), code=503)):
        async with http.get(CONFIG_MAPS, headers=as_alice) as refused:
            assert refused.status == 503
        async with http.get(CONFIG_MAPS, headers=as_bob) as answered:
            assert answered.status == 200
    assert [record.call.user for record in server.journal] == ["alice", "bob"]


async def test_chance_is_repeatable(http: aiohttp.ClientSession, server: ApiServer) -> None:
    """Half of the calls fail, the same half in every run of a test."""
    with server.faults(Rule("status", probability=0.5)):
        outcomes = [await attempt(http, f"n{index}") for index in range(8)]
    assert sorted(set(outcomes)) == [201, 500]
    assert [record.status for record in server.journal] == outcomes


@pytest.mark.parametrize(
    ("action", "text"),
    [
        pytest.param("watch-end", "", id="accepted, then ended"),
        pytest.param("watch-garbage", "<html>502 Bad Gateway</html>\n", id="no JSON"),
        pytest.param(
            "watch-eof",
            '{"type":"MODIFIED","object":{"kind":"Pod","metadata":{"na',
            id="half a line",
        ),
    ],
)
@pytest.mark.parametrize("early", [True, False], ids=["a new watch", "an open watch"])
async def test_watches_can_end_badly(
    server: ApiServer, http: aiohttp.ClientSession, action: Any, text: str, *, early: bool
) -> None:
    """A fault in the stream strikes new watches and those that are open."""
    if early:
        with server.faults(Rule(action)):
            response, _ = await watch(http, server)
            assert await response.text() == text
        return
    response, _ = await watch(http, server)
    with server.faults(Rule(action, times=1)):
        assert await response.text() == text


async def test_a_watch_can_be_reset(server: ApiServer, http: aiohttp.ClientSession) -> None:
    """Accepted, then cut off without an end."""
    response, _ = await watch(http, server)
    cut_off = pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError))
    with server.faults(Rule("watch-reset")), cut_off:
        await response.read()


async def test_a_watch_can_fall_silent(server: ApiServer, http: aiohttp.ClientSession) -> None:
    """Nothing comes while the rule is in force; what was missed comes afterwards."""
    response, watched = await watch(http, server)
    with server.faults(Rule("watch-silence", kinds=("ConfigMap",))):
        server.create(config_map("a"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await watched.event()
    assert await watched.event() == ("ADDED", "a")
    response.close()


# Hooks


async def test_hooks_stand_at_every_crash_point(
    server: ApiServer, http: aiohttp.ClientSession
) -> None:
    """Before the write, after it, after its answer: the object is there from the second on."""
    seen: list[tuple[str, bool]] = []

    def note(point: str) -> Callable[[Call], None]:
        return lambda call: seen.append(
            (point, server.find("ConfigMap", "default", call.name) is not None)
        )

    hooks = [
        server.before(everything, note("before")),
        server.after_commit(everything, note("after commit")),
        server.after_ack(everything, note("after ack")),
    ]
    assert await attempt(http) == 201
    await asyncio.sleep(0.02)
    for hook in hooks:
        hook.remove()
    assert await attempt(http, "b") == 201
    assert seen == [("before", False), ("after commit", True), ("after ack", True)]


@pytest.mark.parametrize("acted", [False, True], ids=["before the write", "after the write"])
async def test_a_hook_can_take_the_client_down(server: ApiServer, *, acted: bool) -> None:
    """The caller is cancelled exactly at its write, and the write is done or not done."""

    async def caller() -> None:
        async with aiohttp.ClientSession(server.url) as http:
            await attempt(http)

    def crash(_: Call) -> None:
        task.cancel()
        raise Reset

    (server.after_commit if acted else server.before)(everything, crash)
    task = asyncio.create_task(caller())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (server.find("ConfigMap", "default", "a") is not None) is acted


async def test_the_journal_knows_who_wrote(server: ApiServer, http: aiohttp.ClientSession) -> None:
    """Reads and leases are no writes; a write that changed nothing is told apart."""
    lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}
    await http.post("/apis/coordination.k8s.io/v1/namespaces/default/leases", json=lease)
    await http.get(CONFIG_MAPS)
    await attempt(http)
    merge = {"Content-Type": "application/merge-patch+json"}
    await http.patch(f"{CONFIG_MAPS}/a", json={"data": None}, headers=merge)
    writes = [(record.call.verb, record.changed) for record in server.journal.writes()]
    assert writes == [("create", True), ("patch", False)]
    assert len(server.journal.writes("Lease")) == 1


# Its users


async def test_conflicts_reach_the_dynamic_client(dynamic: DynamicClient) -> None:
    """Without force another manager's field is a 409 that names it."""
    kinds = await dynamic.resources.get(api_version="v1", kind="ConfigMap")
    await dynamic.server_side_apply(kinds, config_map(data={"x": "1"}), field_manager="one")
    with pytest.raises(ConflictError, match=r"\.data\.x"):
        await dynamic.server_side_apply(kinds, config_map(data={"x": "2"}), field_manager="two")


async def test_refusals_reach_the_dynamic_client(server: ApiServer, dynamic: DynamicClient) -> None:
    """An injected failure is an error of the client like any other."""
    kinds = await dynamic.resources.get(api_version="v1", kind="ConfigMap")
    with server.faults(Rule("status", code=429)), pytest.raises(DynamicApiError) as caught:
        await dynamic.server_side_apply(kinds, config_map(), field_manager="one")
    assert caught.value.status == 429


async def test_a_kubeconfig_leads_here(server: ApiServer, tmp_path: Path) -> None:
    """`load_kube_config` and a typed client work."""
    settings = client.Configuration()
    await config.load_kube_config(
        str(server.kubeconfig(tmp_path / "kubeconfig")), client_configuration=settings
    )
    async with client.ApiClient(settings) as api:
        with pytest.raises(ApiException, match="NotFound"):
            await client.CoreV1Api(api).read_namespaced_service("web", "default")


@pytest.fixture
async def kopf_context(server: ApiServer) -> AsyncIterator[None]:
    context = auth.APIContext(credentials.ConnectionInfo(server=server.url))
    vault = credentials.Vault({"test": credentials.ConnectionInfo(server=server.url)})
    token = auth.vault_var.set(vault)
    yield
    auth.vault_var.reset(token)
    await context.close()
    await vault.close()


@pytest.mark.usefixtures("kopf_context")
async def test_kopf_lists_and_watches(server: ApiServer) -> None:
    """Its own discovery and watch: what is there, the end of the list, what happens next."""
    settings = OperatorSettings()
    logger = watching.logger
    found = await scanning.scan_resources(settings=settings, logger=logger, groups=[""])
    resource = next(each for each in found if each.plural == "configmaps")
    server.create(config_map("a"))
    stream = watching.infinite_watch(
        settings=settings, resource=resource, namespace=references.NamespaceName("default")
    )
    events: list[Any] = []
    async for event in stream:
        if event is watching.Bookmark.LISTED:
            server.delete("ConfigMap", "default", "a")
            continue
        events.append((event["type"], event["object"]["metadata"]["name"]))
        if len(events) == 2:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    assert events == [(None, "a"), ("DELETED", "a")]


async def test_it_runs_as_a_process(tmp_path: Path) -> None:
    """`python -m apiserver` says where it listens, takes faults as orders and shows its journal."""
    program = (sys.executable, "-m", "apiserver", "--kubeconfig", str(tmp_path / "kubeconfig"))
    process = await asyncio.create_subprocess_exec(
        *program, cwd=TESTS, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession(url) as http:
            rule = {"action": "status", "code": 503, "verbs": ["create"]}
            await http.post("/-/faults", json=rule)
            refused = await attempt(http)
            await http.delete("/-/faults")
            accepted = await attempt(http)
            async with http.get("/-/requests") as response:
                requests = (await response.json())["requests"]
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert (refused, accepted) == (503, 201)
    assert [request["status"] for request in requests] == [503, 201]
