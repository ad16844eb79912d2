"""Stands in for the kubelets: there is no node, and what a pod's readiness costs is to be seen."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from operator_bench.api_client import MERGE, PODS, Api, Body


class PodReadiness:
    """Makes every new pod ready."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._tasks: set[asyncio.Task[Any]] = set()

    def changed(self, type_: str, body: Body) -> None:
        """See a change of any object; pods that are new get ready."""
        if type_ == "ADDED" and body.get("kind") == "Pod" and "conditions" not in body["status"]:
            task = asyncio.create_task(self.set(body, ready=True))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def set(self, pod: Body, *, ready: bool) -> None:
        """Say in the pod's status whether it is ready."""
        metadata = pod["metadata"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = "True" if ready else "False"
        conditions = [
            {"type": type_, "status": status, "lastTransitionTime": now}
            for type_ in ("Ready", "ContainersReady")
        ]
        container = {
            "name": "runtime",
            "ready": ready,
            "restartCount": 0,
            "image": "runtime",
            "imageID": "",
            "state": {"running": {"startedAt": now}},
        }
        said = {
            "phase": "Running",
            "conditions": conditions,
            "containerStatuses": [container],
        }
        path = PODS.path(metadata["namespace"], metadata["name"], "status")
        await self._api.send("PATCH", path, {"status": said}, MERGE)
