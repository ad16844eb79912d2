"""The only module that talks to the API server."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import aiohttp
import orjson
from kubernetes.aio import client

from modelserver_operator import lenient
from modelserver_operator.errors import (
    ApiUnavailable,
    ChildRefused,
    NamespaceTerminating,
    ReconcileError,
    StalePicture,
)
from modelserver_operator.kinds import CORE_EVENT, EVENT, LEASE, MODEL_SERVER, Kind
from modelserver_operator.labels import APPLIED_HASH, FIELD_MANAGER, OURS
from modelserver_operator.metrics import Metrics
from modelserver_operator.ratelimit import TokenBucket
from modelserver_operator.reasons import Refusal
from modelserver_operator.session import TimelyBody, load_configuration, open_session

_JSON: Final = "application/json"
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_APPLY_PATCH: Final = "application/apply-patch+yaml"
_MERGE_PATCH: Final = "application/merge-patch+json"
_PAGE: Final = 500
_READS: Final = frozenset({"get", "list", "discover"})
_ANYBODYS: Final = frozenset({"list", "discover"})
"""What a standby asks too; all else belongs to a reconcile."""

_TOO_SHORT_SECONDS: Final = 0.5

_REFUSED_BY_500: Final = (
    "duplicate nodePort",  # two ports of a Service name one
    "field not declared in schema",  # the API server is older than the field
)

_NO_ANSWER: Final = (
    *(aiohttp.ClientError, TimeoutError, OSError, ValueError),
    RuntimeError,  # aiohttp's, of a connection that was lost between two reads
)

Body = dict[str, Any]


class Cluster:
    """
    Every request of the operator but the watches.

    Requests that fail raise `ChildRefused`, `StalePicture`, `NamespaceTerminating` or
    `ApiUnavailable`; objects go in and come out as plain JSON dicts.

    Args:
        configuration: where the API server is, and who we are.
        metrics: counts the requests and the writes.
        limit: how fast requests may follow one another; those for the Lease do not wait.
        timeout_seconds: how long one request may take.

    Attributes:
        may_write_until: when, on the event loop's clock, this process stops being the one that
            may write. No write is started that could be under way then.
    """

    def __init__(
        self,
        configuration: client.Configuration,
        metrics: Metrics,
        *,
        limit: TokenBucket | None = None,
        timeout_seconds: float = 10.0,
    ) -> None:
        self._configuration = configuration
        self._url = str(configuration.host).rstrip("/")
        self._session = open_session(configuration, {"User-Agent": FIELD_MANAGER})
        self._metrics = metrics
        self._limit = limit
        self._timeout = timeout_seconds
        self.may_write_until: Callable[[], float] = lambda: math.inf

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(
        cls,
        metrics: Metrics,
        configuration: client.Configuration | None = None,
        **options: Any,
    ) -> AsyncIterator["Cluster"]:
        """Connect by *configuration*, left out: as the pod, or by the kubeconfig."""
        cluster = cls(configuration or await load_configuration(), metrics, **options)
        try:
            yield cluster
        finally:
            await cluster._session.close()

    def watch_session(self) -> tuple[str, aiohttp.ClientSession]:
        """Open a session of its own for watches; return where the API server is, too."""
        return self._url, open_session(self._configuration)

    async def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """Read one object; None where there is none."""
        with contextlib.suppress(StalePicture):
            return await self._send("get", "GET", kind, namespace, name)
        return None

    async def apply(self, kind: Kind, body: Body, *, manager: str = FIELD_MANAGER) -> Body:
        """Create, repair and prune in one call; the object's version stays if nothing changes."""
        return await self._send(
            "apply",
            "PATCH",
            kind,
            body["metadata"]["namespace"],
            body["metadata"]["name"],
            body=body,
            content_type=_APPLY_PATCH,
            query={"fieldManager": manager, "force": "true"},
        )

    async def overwrite(self, kind: Kind, live: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        """
        Merge *spec* into exactly the object that was seen; lists are replaced as a whole.

        The fields are not held by it: an apply that drops one of them later would not remove it.
        The hash goes first, or an operator that ends here would leave what looks applied and has
        fields that nobody holds.
        """
        unfinished = {"annotations": {APPLIED_HASH: None}}
        patched = await self._merge(kind, live["metadata"], {"metadata": unfinished, "spec": spec})
        ours = {"manager": FIELD_MANAGER, "operation": "Update"}
        managers = patched["metadata"].get("managedFields", ())
        kept = [manager for manager in managers if not ours.items() <= manager.items()]
        version = patched["metadata"]["resourceVersion"]
        let_go = {"metadata": {"resourceVersion": version, "managedFields": kept}}
        await self._merge(kind, live["metadata"], let_go)

    async def _merge(self, kind: Kind, seen: Mapping[str, Any], patch: Body) -> Body:
        return await self._send(
            "overwrite",
            "PATCH",
            kind,
            seen["namespace"],
            seen["name"],
            body={**patch, "metadata": {**patch.get("metadata", {}), "uid": seen["uid"]}},
            content_type=_MERGE_PATCH,
            query={"fieldManager": FIELD_MANAGER},
        )

    async def delete(self, kind: Kind, live: Mapping[str, Any]) -> Body | None:
        """
        Delete exactly the object that was seen, not one that has taken its name since.

        A 404 or 409 is not believed unseen: a proxy on the way may have said it, and whoever takes
        an object for gone that is there never looks at it again.

        Returns:
            What is still there of it, where a finalizer holds it.

        Raises:
            StalePicture: it is still there.
        """
        metadata = live["metadata"]
        where = metadata["namespace"], metadata["name"]
        options = {"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"}
        try:
            answer = await self._send("delete", "DELETE", kind, *where, body=options)
        except StalePicture:
            there = await self.get(kind, *where)
            if there is not None and there["metadata"]["uid"] == metadata["uid"]:
                raise
            return None
        return held_by_finalizer(answer)

    async def patch_status(self, server: Mapping[str, Any], status: Body) -> Body:
        """
        Merge *status* into that of the ModelServer *server*; None removes a field.

        The version makes sure that it reaches what it was computed from, and not an object that
        has taken the name since: the API server does not look at a uid in a status.
        """
        metadata = server["metadata"]
        seen = {name: metadata[name] for name in ("uid", "resourceVersion")}
        return await self._send(
            "patch_status",
            "PATCH",
            MODEL_SERVER,
            metadata["namespace"],
            f"{metadata['name']}/status",
            body={"metadata": seen, "status": status},
            content_type=_MERGE_PATCH,
            query={"fieldManager": FIELD_MANAGER},
        )

    async def list_metadata(self, kind: Kind, namespace: str | None) -> tuple[set[str], int]:
        """Say which objects of *kind* exist: their uids, and the listing's resourceVersion."""
        uids: set[str] = set()
        query = {"limit": str(_PAGE)}
        if kind != MODEL_SERVER:
            query["labelSelector"] = OURS
        while True:
            page = await self._send(
                "list", "GET", kind, namespace, query=query, accept=_METADATA_ONLY
            )
            uids.update(item["metadata"]["uid"] for item in page["items"] or ())
            token = page["metadata"].get("continue")
            if not token:
                return uids, int(page["metadata"]["resourceVersion"])
            query["continue"] = token

    async def serves(self, kind: Kind) -> bool:
        """Tell whether the API server knows *kind*; anybody may ask that."""
        path = f"/apis/{kind.api_version}"
        try:
            found = await self._request("discover", "GET", kind, path)
        except StalePicture:
            return False
        return any(each.get("name") == kind.plural for each in found.get("resources") or ())

    async def create_event(self, body: Body) -> None:
        """Post an events.k8s.io/v1 Event."""
        await self._send("event", "POST", EVENT, body["metadata"]["namespace"], body=body)

    async def patch_event(self, namespace: str, name: str, patch: Body) -> None:
        """Merge *patch* into an Event; raises `StalePicture` where it is gone."""
        await self._send(
            "event", "PATCH", EVENT, namespace, name, body=patch, content_type=_MERGE_PATCH
        )

    async def list_pod_events(self, namespace: str, uid: str) -> list[Body]:
        """List the core Events of one pod; raises `ChildRefused` where we may not."""
        query = {"fieldSelector": f"involvedObject.uid={uid}", "limit": str(_PAGE)}
        answer = await self._send("list", "GET", CORE_EVENT, namespace, query=query)
        items: list[Body] = answer.get("items") or []
        return items

    async def read_lease(self, namespace: str, name: str) -> Body | None:
        """Read a Lease; None where there is none."""
        return await self.get(LEASE, namespace, name)

    async def create_lease(self, body: Body) -> Body:
        """Create a Lease; raises `StalePicture` where another was faster."""
        return await self._send("lease", "POST", LEASE, body["metadata"]["namespace"], body=body)

    async def replace_lease(self, body: Body) -> Body:
        """Replace a Lease; raises `StalePicture` where another was faster."""
        metadata = body["metadata"]
        return await self._send(
            "lease", "PUT", LEASE, metadata["namespace"], metadata["name"], body=body
        )

    async def _send(
        self,
        verb: str,
        method: str,
        kind: Kind,
        namespace: str | None,
        name: str = "",
        **request: Any,
    ) -> Body:
        base = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
        place = f"/namespaces/{namespace}" if namespace else ""
        path = f"{base}{place}/{kind.plural}" + (f"/{name}" if name else "")
        return await self._request(verb, method, kind, path, **request)

    async def _request(  # noqa: PLR0913 - what makes a request
        self,
        verb: str,
        method: str,
        kind: Kind,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> Body:
        """Send a request when its turn has come, if it can be over in time; decode the answer."""
        if kind != LEASE and self._limit is not None:
            self._metrics.throttled.inc(await self._limit.take())
        over_at = self._over_at(verb, kind)
        if verb not in _READS:
            self._metrics.writes.labels(verb=verb, kind=kind.name).inc()
        outcome = "ok"
        try:
            async with (
                asyncio.timeout_at(over_at),
                self._session.request(
                    method,
                    f"{self._url}{path}",
                    params=query,
                    data=None if body is None else TimelyBody(orjson.dumps(body), over_at),
                    headers={"Accept": accept, "Content-Type": content_type},
                ) as response,
            ):
                answer = await response.read()
            if response.status >= 400:  # noqa: PLR2004 - what HTTP calls an error
                outcome = str(response.status)
                raise _as_our_error(response, answer, kind)
            return _decoded(answer)
        except _NO_ANSWER as error:
            outcome = "timeout" if isinstance(error, TimeoutError) else "broken"
            why = str(error) or type(error).__name__
            raise ApiUnavailable(f"{verb} {kind.name}: {why}") from error
        finally:
            self._metrics.requests.labels(verb=verb, outcome=outcome).inc()

    def _over_at(self, verb: str, kind: Kind) -> float:
        """
        Say when a request ends at the latest, on the event loop's clock.

        What a reconcile asks may take as long as this process is certain to be the only one.
        """
        now = asyncio.get_running_loop().time()
        if verb in _ANYBODYS or kind == LEASE:
            return now + self._timeout
        until = self.may_write_until()
        if until - now < _TOO_SHORT_SECONDS:
            raise ApiUnavailable(f"{verb} {kind.name}: not started, the lease is running out")
        return min(now + self._timeout, until)


def _decoded(answer: bytes) -> Body:
    body = orjson.loads(answer)
    if not isinstance(body, dict):
        raise ValueError("the answer is no object")  # noqa: TRY004 - as if it were no JSON
    return body


def held_by_finalizer(answer: Mapping[str, Any]) -> Body | None:
    """
    What is left of an object by the API server's *answer* to a DELETE; None where it is gone.

    Most kinds answer a Status, some the object that is gone: without finalizers, then.
    """
    return dict(answer) if lenient.mapping(answer, "metadata").get("finalizers") else None


def _as_our_error(response: aiohttp.ClientResponse, answer: bytes, kind: Kind) -> ReconcileError:
    """Sort the API server's refusals by what we do about each."""
    status = response.status
    message, reason = _words(response, answer)
    if "being terminated" in message or message.startswith('namespaces "'):
        return NamespaceTerminating(message)
    # A uid that is not the live one is refused as immutable: another object has taken the name.
    if status in (404, 409) or (status == 422 and "metadata.uid" in message):  # noqa: PLR2004
        return StalePicture(f"{kind.name}: {message or reason}")
    if status in (400, 403, 422) or any(words in message for words in _REFUSED_BY_500):
        return ChildRefused(_why_refused(status, message), message)
    retry_after = response.headers.get("Retry-After")
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return ApiUnavailable(f"{kind.name}: HTTP {status} {message or reason}", seconds)


def _why_refused(status: int, message: str) -> Refusal:
    """
    Give the reason of `Accepted`.

    Admission chooses its own status, 422 for a policy that names none; its words are always these.
    """
    if "exceeded quota" in message:
        return "QuotaExceeded"
    if status == 403 or "denied request" in message or "denied the request" in message:  # noqa: PLR2004
        return "Forbidden"
    if status == 422 and ("immutable" in message or "Forbidden" in message):  # noqa: PLR2004
        return "ImmutableField"
    return "InvalidSpec"


def _words(response: aiohttp.ClientResponse, answer: bytes) -> tuple[str, str]:
    """Take the message and reason out of a Status object, which a proxy may not have sent."""
    try:
        status = _decoded(answer)
    except ValueError:
        status = {}
    return str(status.get("message", "")), str(status.get("reason", response.reason or ""))
