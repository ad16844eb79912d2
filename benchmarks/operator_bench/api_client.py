"""The API server as a benchmark sees it: plain requests, and when a change arrives."""

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, NamedTuple, Self

import aiohttp

Body = dict[str, Any]
MERGE: Final = "application/merge-patch+json"


class Kind(NamedTuple):
    """Where objects of a kind are: `apps/v1`, `deployments`."""

    group: str
    plural: str

    def path(self, namespace: str = "", name: str = "", part: str = "") -> str:
        """The URL's path."""
        prefix = f"/api/{self.group}" if "/" not in self.group else f"/apis/{self.group}"
        place = f"/namespaces/{namespace}" if namespace else ""
        return "/".join(filter(None, [f"{prefix}{place}/{self.plural}", name, part]))


MODEL_SERVERS: Final = Kind("modelserver.dev/v1alpha1", "modelservers")
PODS: Final = Kind("v1", "pods")
CHILDREN: Final = (
    Kind("v1", "serviceaccounts"),
    Kind("v1", "configmaps"),
    Kind("apps/v1", "deployments"),
    Kind("v1", "services"),
    Kind("autoscaling/v2", "horizontalpodautoscalers"),
    Kind("policy/v1", "poddisruptionbudgets"),
    Kind("networking.k8s.io/v1", "networkpolicies"),
    Kind("monitoring.coreos.com/v1", "servicemonitors"),
)


class Api:
    """
    Requests as one user.

    Args:
        url: of the API server.
        token: of the user.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self._url,
            headers={"Authorization": f"Bearer {self._token}"},
            connector=aiohttp.TCPConnector(ssl=False, limit=64),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, method: str, path: str, body: Any = None, kind: str = "") -> Body:
        """Send one request; raise `aiohttp.ClientResponseError` where it is refused."""
        headers = {"Content-Type": kind or "application/json"}
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            if answer.status >= 400:  # noqa: PLR2004
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            told: Body = await answer.json(content_type=None)
            return told

    async def watch(self, kind: Kind, version: str, selector: str = "") -> AsyncIterator[Body]:
        """Yield what happens to *kind* everywhere after *version*."""
        query = f"?watch=1&resourceVersion={version}&labelSelector={selector}"
        async with self._session.get(kind.path() + query, read_bufsize=1 << 24) as answer:
            async for line in answer.content:
                yield json.loads(line)


class Onlooker:
    """
    Sees every change of the kinds it follows, and when it came.

    Attributes:
        objects: the newest body of each object, by kind, namespace and name.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._changed = asyncio.Condition()
        self._following: list[asyncio.Task[None]] = []
        self.objects: dict[tuple[str, str, str], Body] = {}
        self.seen_at: dict[tuple[str, str, str], float] = {}
        self.changes: dict[tuple[str, str, str], int] = defaultdict(int)
        self.on_change: list[Callable[[str, Body], None]] = []

    async def follow(self, kind: Kind, selector: str = "") -> None:
        """Begin to watch *kind*."""
        listing = await self._api.send("GET", kind.path() + f"?labelSelector={selector}")
        version = listing["metadata"]["resourceVersion"]
        self._following.append(asyncio.create_task(self._follow(kind, version, selector)))

    async def stop(self) -> None:
        """End all watches."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)

    async def until(self, holds: Callable[[], bool], seconds: float) -> float:
        """Wait until *holds*; return the moment, on `time.monotonic`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(holds)
        if not holds():
            raise SystemExit(f"not within {seconds:g} s: {holds}")
        return time.monotonic()

    async def _follow(self, kind: Kind, version: str, selector: str) -> None:
        while True:
            async for event in self._api.watch(kind, version, selector):
                body = event["object"]
                version = body["metadata"]["resourceVersion"]
                await self._take(kind, event["type"], body)

    async def _take(self, kind: Kind, type_: str, body: Body) -> None:
        metadata: Mapping[str, Any] = body["metadata"]
        key = (kind.plural, metadata["namespace"], metadata["name"])
        self.changes[key] += 1
        self.seen_at[key] = time.monotonic()
        if type_ == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = body
        for tell in self.on_change:
            tell(type_, body)
        async with self._changed:
            self._changed.notify_all()
