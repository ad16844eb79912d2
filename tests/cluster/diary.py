"""When did the cluster first show something, and when did the operator say so?"""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cluster_access import Cluster, eventually

Body = dict[str, Any]
KINDS = ("modelservers", "deployments", "pods", "events")


class Entry(NamedTuple):
    """One version of an object, and the moment it was seen, on one clock for all kinds."""

    seen: float
    body: Body


@dataclass
class Diary:
    """Every version of every object that was watched, in the order of arrival."""

    entries: list[Entry] = field(default_factory=list)

    def first(self, namespace: str, kind: str, holds: Callable[[Body], object]) -> float | None:
        """Tell when an object of *kind* for which *holds* was first seen."""
        for seen, body in list(self.entries):
            if body["kind"] == kind and body["metadata"]["namespace"] == namespace and holds(body):
                return seen
        return None

    def wait(
        self, namespace: str, kind: str, holds: Callable[[Body], object], seconds: float
    ) -> float:
        """Wait until such an object was seen; return when that was."""
        eventually(
            lambda: self.first(namespace, kind, holds) is not None,
            seconds,
            lambda: "; ".join(self.story(namespace)),
        )
        found = self.first(namespace, kind, holds)
        assert found is not None
        return found

    def story(self, namespace: str) -> list[str]:
        """Say which conditions `Ready` and `Accepted` went through, for a test that failed."""
        lines: list[str] = []
        for seen, body in list(self.entries):
            if body["kind"] != "ModelServer" or body["metadata"]["namespace"] != namespace:
                continue
            for condition in body.get("status", {}).get("conditions", []):
                if condition["type"] in ("Accepted", "Ready", "Stalled"):
                    name = body["metadata"]["name"]
                    words = f"{condition['status']} {condition['reason']}: {condition['message']}"
                    line = f"{name} {condition['type']}={words}"
                    if not any(told.endswith(line) for told in lines):
                        lines.append(f"{seen:.1f} {line}")
        return lines


def condition_of(body: Body, kind: str) -> Body:
    """Read a condition; empty where there is none."""
    found = body.get("status", {}).get("conditions", [])
    return next((condition for condition in found if condition["type"] == kind), {})


def says(server: Body, kind: str, reason: str, words: str = "") -> bool:
    """Say whether that condition gives *reason*, with *words* in its message."""
    condition = condition_of(server, kind)
    return condition.get("reason") == reason and words in condition["message"]


@contextlib.contextmanager
def watched(cluster: Cluster) -> Iterator[Diary]:
    """Write down whatever happens in any namespace while the body runs."""
    diary = Diary()
    with contextlib.ExitStack() as stack:
        for kind in KINDS:
            stack.enter_context(_watch(cluster, kind, diary))
        yield diary


@contextlib.contextmanager
def _watch(cluster: Cluster, kind: str, diary: Diary) -> Iterator[None]:
    command = ["kubectl", "get", kind, "-A", "--watch", "--output-watch-events", "-o", "json"]
    with subprocess.Popen(
        command, env=cluster.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        reader = threading.Thread(target=_read, args=(process, diary))
        reader.start()
        try:
            yield
        finally:
            process.terminate()
            reader.join()


def _read(process: subprocess.Popen[str], diary: Diary) -> None:
    """Each line that kubectl prints is one event of the watch."""
    assert process.stdout is not None
    for line in process.stdout:
        diary.entries.append(Entry(time.monotonic(), json.loads(line)["object"]))
