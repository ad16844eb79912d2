"""What every scenario works with: a control plane with our CRD, and who looks on."""

import asyncio
import contextlib
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import yaml

from operator_bench.api_client import (
    CHILDREN,
    MERGE,
    MODEL_SERVERS,
    PODS,
    Api,
    Body,
    Kind,
    Onlooker,
)
from operator_bench.control_plane import ControlPlane, control_plane
from operator_bench.operator_process import ROOT
from operator_bench.pod_readiness import PodReadiness

SELECTOR: Final = "app.kubernetes.io/managed-by=modelserver-operator"
NAMESPACE: Final = "default"
WRITES: Final = frozenset({"create", "update", "patch", "delete"})


def full_server(name: str) -> Body:
    """A ModelServer that has all eight children."""
    model = {"version": "1.0.0", "source": {"bundled": {"path": "/models/breast-cancer"}}}
    return {
        "apiVersion": "modelserver.dev/v1alpha1",
        "kind": "ModelServer",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "model": model,
            "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
            "rollout": {"minReadySeconds": 0},
        },
    }


class Bench:
    """One control plane, and who looks on."""

    def __init__(self, plane: ControlPlane, api: Api, onlooker: Onlooker) -> None:
        self.plane = plane
        self.api = api
        self.onlooker = onlooker
        self.pods = PodReadiness(api)
        onlooker.on_change.append(self.pods.changed)

    async def create(self, name: str) -> float:
        """Create a ModelServer; return when it was acknowledged."""
        await self.api.send("POST", MODEL_SERVERS.path(NAMESPACE), full_server(name))
        return time.monotonic()

    def children(self, name: str) -> dict[str, Body]:
        """The children of *name*, by kind; of each the newest."""
        return {
            kind: body
            for (kind, _, _), body in list(self.onlooker.objects.items())
            if body["metadata"].get("labels", {}).get("modelserver.dev/name") == name
            and kind in PLURALS
        }

    def is_ready(self, name: str) -> bool:
        """Whether its status says so, of the newest generation."""
        body = self.onlooker.objects.get((MODEL_SERVERS.plural, NAMESPACE, name), {})
        found = body.get("status", {}).get("conditions", ())
        generation = body.get("metadata", {}).get("generation")
        return any(
            (c["type"], c["status"], c["observedGeneration"]) == ("Ready", "True", generation)
            for c in found
        )

    def writes(self) -> Counter[str]:
        """The operator's writes so far, Lease renewals apart, by what was written."""
        return Counter(
            f"{event['verb']} {event['objectRef']['resource']}"
            + (f"/{part}" if (part := event["objectRef"].get("subresource")) else "")
            for event in self.plane.requests_of("operator")
            if event["verb"] in WRITES and event["objectRef"]["resource"] != "leases"
        )

    def requests(self) -> int:
        """All of the operator's requests so far."""
        return len(self.plane.requests_of("operator"))

    async def round_trip(self, times: int = 50) -> float:
        """The median of a plain write, in seconds: what everything is compared with."""
        path = Kind("v1", "configmaps").path(NAMESPACE)
        await self.api.send("POST", path, {"metadata": {"name": "control"}})
        took = []
        for i in range(times):
            started = time.monotonic()
            await self.api.send("PATCH", f"{path}/control", {"data": {"i": str(i)}}, MERGE)
            took.append(time.monotonic() - started)
        await self.api.send("DELETE", f"{path}/control")
        return statistics.median(took)


PLURALS: Final = frozenset(kind.plural for kind in CHILDREN)


@contextlib.asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Start the control plane, install the CRDs, look on."""
    with control_plane() as plane:
        async with Api(plane.url, plane.token("person")) as api:
            await install_crds(api)
            onlooker = Onlooker(api)
            await onlooker.follow(MODEL_SERVERS)
            for kind in (*CHILDREN, PODS):
                await onlooker.follow(kind, SELECTOR)
            try:
                yield Bench(plane, api, onlooker)
            finally:
                await onlooker.stop()


async def install_crds(api: Api) -> None:
    """Ours, and the ServiceMonitor's as the Prometheus operator has it."""
    script = ROOT / "tests" / "cluster" / "kind" / "service-monitor-crd.sh"
    done = await asyncio.create_subprocess_exec(script, stdout=asyncio.subprocess.PIPE)
    monitors = (await done.communicate())[0].decode().strip()
    definitions = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions")
    for file in (ROOT / "crds" / "modelservers.yaml", Path(monitors)):
        await api.send("POST", definitions.path(), yaml.safe_load(file.read_text()))
    for kind in (MODEL_SERVERS, CHILDREN[-1]):
        await _until_served(api, kind)


async def _until_served(api: Api, kind: Kind) -> None:
    for _ in range(100):
        with contextlib.suppress(RuntimeError):
            await api.send("GET", kind.path())
            return
        await asyncio.sleep(0.1)


async def eventually(holds: Callable[[], bool], seconds: float) -> None:
    """Look again and again, beside the loop."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds:g} s: {holds}")
        await asyncio.sleep(0.2)
