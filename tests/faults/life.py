"""What a ModelServer goes through in a campaign, and what must be there in the end."""

import asyncio
import contextlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from apiserver import ApiServer, roll_out
from apiserver.api import merge_patched
from apiserver.resources import Body
from apiserver.storage import Change

NAME: Final = "web"
CHILDREN: Final = (
    "ServiceAccount",
    "ConfigMap",
    "Deployment",
    "Service",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "ServiceMonitor",
)
_ROLLOUT_SECONDS: Final = 0.3
_BOOKMARK_SECONDS: Final = 5.0
_TICK_SECONDS: Final = 0.02
_SOURCE: Final = {"bundled": {"path": "/models/breast-cancer"}}
_EVERYTHING: Final[Body] = {
    "autoscaling": {"minReplicas": 2, "maxReplicas": 5, "targetCPUUtilizationPercentage": 70},
    "disruptionBudget": {"policy": "Default", "maxUnavailable": 1},
    "networkPolicy": {"policy": "Restricted"},
    "monitoring": {"policy": "Always"},
    "replicas": None,
}
_LITTLE: Final[Body] = {
    "autoscaling": None,
    "disruptionBudget": {"policy": "None", "maxUnavailable": None},
    "networkPolicy": {"policy": "None"},
    "monitoring": {"policy": "Never"},
}


@dataclass(frozen=True)
class Life:
    """
    A ModelServer is made; later it is edited, and somebody meddles with its children.

    Args:
        name: what happens to its children.
        first: the spec it is made with.
        last: the changes to its spec.
    """

    name: str
    first: Body
    last: Body


GROWING: Final = Life(
    "growing",
    # As many pods as the autoscaler will start from, or the end would depend on the way there.
    {"model": {"version": "1.0.0", "source": _SOURCE}, **_LITTLE, "replicas": 2},
    {"model": {"version": "2.0.0"}, **_EVERYTHING},
)
SHRINKING: Final = Life(
    "shrinking",
    {"model": {"version": "1.0.0", "source": _SOURCE}, **_EVERYTHING},
    {"model": {"version": "2.0.0"}, **_LITTLE, "replicas": 3},
)
LIVES: Final = (GROWING, SHRINKING)

Pictures = dict[tuple[str, str], Body]
"""By the name of a life, and `first` or `last`."""


class World:
    """
    An API server with its Deployment controller, and bookkeeping by namespace.

    Attributes:
        births: how many objects of each kind were created, by namespace.
        deaths: how many were deleted.
    """

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.births: dict[str, Counter[str]] = defaultdict(Counter)
        self.deaths: dict[str, Counter[str]] = defaultdict(Counter)
        self._changes: Counter[str] = Counter()
        self._to_roll_out: dict[tuple[str, str], float] = {}
        self._starved_seconds = 0.0
        server.api.storage.listeners.append(self._saw)

    async def run(self) -> None:
        """Roll Deployments out soon after their specs have changed, and send bookmarks."""
        bookmarked = 0.0
        while True:
            now = time.monotonic()
            if now - bookmarked > _BOOKMARK_SECONDS:
                bookmarked = now
                self.server.bookmark()
            for namespace, name in [key for key, due in self._to_roll_out.items() if due <= now]:
                if self.server.find("Deployment", namespace, name) is not None:
                    roll_out(self.server, namespace, name)
                del self._to_roll_out[namespace, name]
            await self._tick()

    def clock(self) -> float:
        """Seconds in which this process ran or had nothing to do: waiting for a core is no time."""
        return time.monotonic() - self._starved_seconds

    async def _tick(self) -> None:
        wall, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(_TICK_SECONDS)
        waited = time.monotonic() - wall - (time.process_time() - cpu) - _TICK_SECONDS
        if waited > _TICK_SECONDS:
            self._starved_seconds += waited

    def begin(self, namespace: str, life: Life) -> None:
        """Make the ModelServer."""
        self.births.pop(namespace, None)
        self.deaths.pop(namespace, None)
        self.server.create(
            {
                "apiVersion": "modelserver.dev/v1alpha1",
                "kind": "ModelServer",
                "metadata": {"name": NAME, "namespace": namespace},
                "spec": merge_patched({}, life.first),
            }
        )

    def go_on(self, namespace: str, life: Life) -> None:
        """Edit the ModelServer; meddle with those of its children that are there."""
        self.server.edit("ModelServer", namespace, NAME, {"spec": life.last})
        wrong = {"app.kubernetes.io/managed-by": "somebody"}
        port = {"name": "http", "port": 81, "targetPort": "http"}
        for kind, patch in (
            ("Service", {"spec": {"ports": [port]}}),
            ("Deployment", {"metadata": {"labels": wrong}, "spec": {"minReadySeconds": 77}}),
        ):
            if self.server.find(kind, namespace, NAME) is not None:
                self.server.edit(kind, namespace, NAME, patch)
        if self.server.find("ServiceAccount", namespace, NAME) is not None:
            self.server.delete("ServiceAccount", namespace, NAME)

    async def stumble(self, namespace: str, seconds: float) -> None:
        """Have all pods be unready for a time, then ready again."""
        for ready, wait in ((0, seconds), (None, 0.7)):
            roll_out(self.server, namespace, NAME, ready=ready)
            await asyncio.sleep(wait)

    async def end(self, namespace: str) -> None:
        """Delete the ModelServer and wait until its children are collected."""
        if self.server.find("ModelServer", namespace, NAME) is not None:
            self.server.delete("ModelServer", namespace, NAME)
        async with asyncio.timeout(10):
            while any(self.server.objects(kind, namespace) for kind in (*CHILDREN, "Pod")):
                await asyncio.sleep(0.02)

    def picture(self, namespace: str) -> Body:
        """The ModelServer and its children, without uids, versions, times and the namespace."""
        found: Body = {}
        for kind in ("ModelServer", *CHILDREN):
            for body in self.server.objects(kind, namespace):
                text = json.dumps(body).replace(namespace, "<namespace>")
                found[f"{kind} {body['metadata']['name']}"] = _without_news(json.loads(text), kind)
        return found

    async def settled(self, namespace: str, seconds: float = 60.0) -> Body:
        """Wait until the newest spec is live and nothing has moved for a while; the picture."""
        async with asyncio.timeout(seconds):
            while True:
                before = self._changes[namespace]
                await asyncio.sleep(0.5)
                if before == self._changes[namespace] and self._is_ready(namespace):
                    return self.picture(namespace)

    async def becomes(self, namespace: str, wanted: Body, seconds: float = 15.0) -> "Outcome":
        """Wait until *namespace* looks as *wanted*."""
        started = self.clock()
        looked_at = -1
        while True:
            if self._changes[namespace] != looked_at:
                looked_at = self._changes[namespace]
                picture = self.picture(namespace)
                if picture == wanted:
                    return Outcome(self.clock() - started)
            if self.clock() - started > seconds:
                return Outcome(self.clock() - started, difference(picture, wanted))
            await asyncio.sleep(0.05)

    def _is_ready(self, namespace: str) -> bool:
        body = self.server.find("ModelServer", namespace, NAME) or {"metadata": {}}
        generation = body["metadata"].get("generation")
        return any(
            (each["type"], each["status"], each["observedGeneration"])
            == ("Ready", "True", generation)
            for each in body.get("status", {}).get("conditions", ())
        )

    def _saw(self, change: Change) -> None:
        metadata, kind = change.final["metadata"], change.resource.kind
        namespace = metadata.get("namespace", "")
        if kind not in ("Lease", "Event"):
            self._changes[namespace] += 1
        if change.before is None:
            self.births[namespace][kind] += 1
        if change.after is None:
            self.deaths[namespace][kind] += 1
        seen = change.final.get("status", {}).get("observedGeneration")
        if kind == "Deployment" and change.after and seen != metadata["generation"]:
            due = time.monotonic() + _ROLLOUT_SECONDS
            self._to_roll_out.setdefault((namespace, metadata["name"]), due)


@dataclass(frozen=True)
class Outcome:
    """
    How waiting ended.

    Args:
        seconds: how long it took.
        difference: what is not as wanted; empty where all is.
    """

    seconds: float
    difference: str = ""


@contextlib.asynccontextmanager
async def turning(server: ApiServer) -> AsyncIterator[World]:
    """The world of *server*, with its controllers at work."""
    world = World(server)
    controllers = asyncio.create_task(world.run())
    try:
        yield world
    finally:
        controllers.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await controllers


async def undisturbed(world: World, namespace: str) -> Pictures:
    """Live every life with nothing in the way; what it looks like half way and in the end."""
    pictures: Pictures = {}
    for life in LIVES:
        world.begin(namespace, life)
        pictures[life.name, "first"] = await world.settled(namespace)
        world.go_on(namespace, life)
        pictures[life.name, "last"] = await world.settled(namespace)
        await world.end(namespace)
    return pictures


def recent_requests(server: ApiServer, namespace: str, number: int = 40) -> str:
    """What was asked about *namespace* last, one line each, for those who must find out why."""
    now = time.monotonic()
    records = [r for r in server.journal if r.call.namespace == namespace]
    return "\n".join(
        f"{r.at - now:7.2f} s: {r.call.verb} {r.call.kind} {r.call.name} {r.call.subresource}"
        f" {r.status} {r.fault}"
        for r in records[-number:]
    )


async def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for *condition*; tell whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def difference(picture: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say where two pictures differ, one line each."""
    lines = [f"{name} is missing" for name in wanted.keys() - picture.keys()]
    lines += [f"{name} should not be there" for name in picture.keys() - wanted.keys()]
    for name in wanted.keys() & picture.keys():
        lines += _differences(name, picture[name], wanted[name])
    return "\n".join(sorted(lines))


def _differences(path: str, got: Any, wanted: Any) -> list[str]:
    if got == wanted:
        return []
    if isinstance(got, dict) and isinstance(wanted, dict):
        return [
            line
            for name in sorted(got.keys() | wanted.keys())
            for line in _differences(f"{path}.{name}", got.get(name), wanted.get(name))
        ]
    return [f"{path}: {got!r}, not {wanted!r}"]


_NEWS: Final = frozenset(
    {
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "lastTransitionTime",
        "lastUpdateTime",
        "clusterIP",
        "clusterIPs",
        "managedFields",
        "modelserver.dev/applied-hash",  # speaks of the owner's uid
    }
)


def _without_news(body: Body, kind: str) -> Any:
    """Drop what differs between two runs that did the same."""
    if kind != "ModelServer":  # its generation is the user's: how often a child was written is not
        body["metadata"].pop("generation", None)
        body.get("status", {}).pop("observedGeneration", None)
    return _pruned(body)


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(each) for name, each in value.items() if name not in _NEWS}
    if isinstance(value, list):
        return [_pruned(each) for each in value]
    return value
