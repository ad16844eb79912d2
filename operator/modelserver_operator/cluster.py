"""The only module that talks to the API server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient
from kubernetes.aio.dynamic.exceptions import DynamicApiError
from kubernetes.aio.dynamic.resource import Resource, Subresource

from modelserver_operator.errors import (
    ApiUnavailable,
    ChildRefused,
    ReconcileError,
    StalePicture,
)
from modelserver_operator.kinds import EVENT, LEASE, MODEL_SERVER, Kind
from modelserver_operator.labels import FIELD_MANAGER, OURS
from modelserver_operator.metrics import Metrics

_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_MERGE_PATCH: Final = "application/merge-patch+json"
_PAGE: Final = 500

Body = dict[str, Any]


class Cluster:
    """
    Every request of the operator but the watches.

    Requests that fail raise `ChildRefused`, `StalePicture` or `ApiUnavailable`; objects go in and
    come out as plain JSON dicts.

    Args:
        api: a configured client; its lifetime is the caller's.
        metrics: counts the writes.
        timeout_seconds: how long one request may take.
    """

    def __init__(
        self, api: client.ApiClient, metrics: Metrics, *, timeout_seconds: float = 10.0
    ) -> None:
        self._dynamic = DynamicClient(api)
        self._metrics = metrics
        self._timeout = timeout_seconds

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, metrics: Metrics) -> AsyncIterator["Cluster"]:
        """Connect as the pod's ServiceAccount, or as the current context of the kubeconfig."""
        try:
            config.load_incluster_config()
        except config.ConfigException:
            await config.load_kube_config()
        async with client.ApiClient() as api:
            yield cls(api, metrics)

    async def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """Read one object; None where there is none."""
        try:
            return await self._send("get", self._dynamic.get, kind, name=name, namespace=namespace)
        except StalePicture:
            return None

    async def apply(self, kind: Kind, body: Body, *, manager: str = FIELD_MANAGER) -> Body:
        """Create, repair and prune in one call; the object's version stays if nothing changes."""
        return await self._send(
            "apply",
            self._dynamic.server_side_apply,
            kind,
            body=body,
            field_manager=manager,
            force_conflicts=True,
        )

    async def overwrite(self, kind: Kind, live: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        """
        Merge *spec* into exactly the object that was seen; lists are replaced as a whole.

        The fields are not held by it: an apply that drops one of them later would not remove it.
        """
        patched = await self._merge(kind, live["metadata"], {"spec": spec})
        ours = {"manager": FIELD_MANAGER, "operation": "Update"}
        kept = [m for m in patched["metadata"]["managedFields"] if not ours.items() <= m.items()]
        version = patched["metadata"]["resourceVersion"]
        let_go = {"metadata": {"resourceVersion": version, "managedFields": kept}}
        await self._merge(kind, live["metadata"], let_go)

    async def _merge(self, kind: Kind, seen: Mapping[str, Any], patch: Body) -> Body:
        return await self._send(
            "overwrite",
            self._dynamic.patch,
            kind,
            name=seen["name"],
            namespace=seen["namespace"],
            body={**patch, "metadata": {**patch.get("metadata", {}), "uid": seen["uid"]}},
            content_type=_MERGE_PATCH,
            field_manager=FIELD_MANAGER,
        )

    async def delete(self, kind: Kind, live: Mapping[str, Any]) -> None:
        """Delete exactly the object that was seen, not one that has taken its name since."""
        metadata = live["metadata"]
        options = {"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"}
        with contextlib.suppress(StalePicture):
            await self._send(
                "delete",
                self._dynamic.delete,
                kind,
                name=metadata["name"],
                namespace=metadata["namespace"],
                body=options,
            )

    async def patch_status(self, server: Mapping[str, Any], status: Body) -> Body:
        """Merge *status* into that of the ModelServer *server*; None removes a field."""
        metadata = server["metadata"]
        return await self._send(
            "patch_status",
            self._dynamic.patch,
            MODEL_SERVER,
            status=True,
            name=metadata["name"],
            namespace=metadata["namespace"],
            body={"metadata": {"uid": metadata["uid"]}, "status": status},
            content_type=_MERGE_PATCH,
        )

    async def list_metadata(self, kind: Kind, namespace: str | None) -> tuple[set[str], int]:
        """Say which objects of *kind* exist: their uids, and the listing's resourceVersion."""
        uids: set[str] = set()
        token = None
        while True:
            page = await self._send(
                "list",
                self._dynamic.get,
                kind,
                namespace=namespace,
                label_selector=None if kind == MODEL_SERVER else OURS,
                limit=_PAGE,
                _continue=token,
                header_params={"Accept": _METADATA_ONLY},
            )
            uids.update(item["metadata"]["uid"] for item in page["items"] or ())
            token = page["metadata"].get("continue")
            if not token:
                return uids, int(page["metadata"]["resourceVersion"])

    async def serves(self, kind: Kind, namespace: str) -> bool:
        """Tell whether the API server knows *kind* (whether its CRD is installed)."""
        try:
            await self._send("list", self._dynamic.get, kind, namespace=namespace, limit=1)
        except StalePicture:
            return False
        return True

    async def create_event(self, body: Body) -> None:
        """Post an events.k8s.io/v1 Event."""
        await self._send("event", self._dynamic.create, EVENT, body=body)

    async def read_lease(self, namespace: str, name: str) -> Body | None:
        """Read a Lease; None where there is none."""
        return await self.get(LEASE, namespace, name)

    async def create_lease(self, body: Body) -> Body:
        """Create a Lease; raises `StalePicture` where another was faster."""
        return await self._send("lease", self._dynamic.create, LEASE, body=body)

    async def replace_lease(self, body: Body) -> Body:
        """Replace a Lease; raises `StalePicture` where another was faster."""
        return await self._send("lease", self._dynamic.replace, LEASE, body=body)

    async def _send(
        self, verb: str, call: Any, kind: Kind, *, status: bool = False, **arguments: Any
    ) -> Body:
        arguments.setdefault("header_params", {})
        resource = _resource(kind)
        target = (
            Subresource(resource, kind=kind.name, name=f"{kind.plural}/status", namespaced=True)
            if status
            else resource
        )
        if verb not in ("get", "list"):
            self._metrics.writes.labels(verb=verb, kind=kind.name).inc()
        try:
            async with asyncio.timeout(self._timeout):
                response = await call(target, serialize=False, **arguments)
                answer: Body = json.loads(await response.read())
        except (DynamicApiError, ApiException) as error:
            raise _as_our_error(error, kind) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ApiUnavailable(f"{verb} {kind.name}: {error or type(error).__name__}") from error
        return answer


def _resource(kind: Kind) -> Resource:
    """Address *kind* without discovery: the kinds are known, and discovery may be down."""
    return Resource(
        prefix="apis" if kind.group else "api",
        group=kind.group,
        api_version=kind.version,
        kind=kind.name,
        namespaced=True,
        verbs=[],
        name=kind.plural,
    )


def _as_our_error(error: Any, kind: Kind) -> ReconcileError:
    """Sort the API server's refusals by what we do about each."""
    status: int = error.status
    message, reason = _words(error)
    # A uid that is not the live one is refused as immutable: another object has taken the name.
    if status in (404, 409) or (status == 422 and "metadata.uid" in message):  # noqa: PLR2004
        return StalePicture(f"{kind.name}: {message or reason}")
    if status == 403 and "exceeded quota" in message:  # noqa: PLR2004
        return ChildRefused("QuotaExceeded", message)
    if status == 403:  # noqa: PLR2004
        return ChildRefused("Forbidden", message)
    if status == 422 and ("immutable" in message or "Forbidden" in message):  # noqa: PLR2004
        return ChildRefused("ImmutableField", message)
    # Two ports of a Service with one node port are refused with a 500.
    if status in (400, 422) or "duplicate nodePort" in message:
        return ChildRefused("InvalidSpec", message)
    headers = error.headers or {}
    retry_after = headers.get("Retry-After")
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return ApiUnavailable(f"{kind.name}: HTTP {status} {message or reason}", seconds)


def _words(error: Any) -> tuple[str, str]:
    """Take the message and reason out of a Status object, which a proxy may not have sent."""
    try:
        status = json.loads(error.body or "{}")
    except ValueError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    return str(status.get("message", "")), str(status.get("reason", error.reason or ""))
