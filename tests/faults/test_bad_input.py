"""Objects that no schema lets pass, specs beyond measure, requests that never work: one's own."""

import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from apiserver import ApiServer, Rule
from apiserver.resources import of_kind
from faults.life import CHILDREN, until
from faults.operators import Command, Task, logging_to

TEAM = "team"
MODEL = {"source": {"bundled": {"path": "/models/breast-cancer"}}}
SPEC = {
    "model": MODEL,
    "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
    "networkPolicy": {"policy": "Restricted"},
    "monitoring": {"policy": "Always"},
}
LABELS = {
    "app.kubernetes.io/managed-by": "modelserver-operator",
    "modelserver.dev/name": "good",
}
GARBAGE = ("text", 7, True, None, [], [None], ["text"], {"": None}, {"conditions": "text"})


class Operated:
    """An API server with an operator, and its log."""

    def __init__(self, server: ApiServer, operator: Task, log: Path) -> None:
        self.server = server
        self.operator = operator
        self._log = log

    def make(self, name: str, spec: Any = None) -> None:
        """Make a ModelServer."""
        self.server.create(
            {
                "apiVersion": "modelserver.dev/v1alpha1",
                "kind": "ModelServer",
                "metadata": {"name": name, "namespace": TEAM},
                "spec": SPEC if spec is None else spec,
            }
        )

    def smuggle(self, kind: str, name: str, **parts: Any) -> None:
        """Store an object, or parts of one, past every check of the API server."""
        resource = of_kind(kind)
        metadata = {"name": name, "namespace": TEAM, "uid": str(uuid.uuid4()), "labels": LABELS}
        found = self.server.find(kind, TEAM, name)
        body = found or {
            "apiVersion": resource.api_version,
            "kind": kind,
            "metadata": {**metadata, "generation": 1, "creationTimestamp": "2026-01-02T03:04:05Z"},
        }
        body["metadata"]["generation"] = body["metadata"].get("generation", 0) + 1
        self.server.api.storage.commit(resource, (TEAM, name), {**body, **parts})

    def is_complete(self, name: str) -> bool:
        """Whether a ModelServer has all its children and a status."""
        there = all(
            any(name in body["metadata"]["name"] for body in self.server.objects(kind, TEAM))
            for kind in CHILDREN
        )
        return there and "status" in self.server.get("ModelServer", TEAM, name)

    def condition(self, name: str, which: str) -> dict[str, Any]:
        """One condition of a ModelServer; empty where it has none."""
        status = self.server.get("ModelServer", TEAM, name).get("status")
        found = status.get("conditions") if isinstance(status, dict) else ()
        found = found if isinstance(found, list) else ()
        return next((each for each in found if each["type"] == which), {})

    async def heals(self, name: str) -> float:
        """Edit a child of *name*; return how long it took until it was as before."""
        live = lambda: self.server.get("Deployment", TEAM, name)["spec"]["minReadySeconds"]  # noqa: E731
        before = live()
        self.server.edit("Deployment", TEAM, name, {"spec": {"minReadySeconds": before + 77}})
        return await took(lambda: live() == before)

    def unforeseen(self) -> list[str]:
        """What only the last net has caught."""
        lines = self._log.read_text().splitlines()
        return [line for line in lines if "unforeseen error" in line]


async def took(holds: Callable[[], object], seconds: float = 15.0) -> float:
    """Wait until *holds*; return how long it took."""
    began = time.monotonic()
    assert await until(lambda: bool(holds()), seconds), "not in time"
    return time.monotonic() - began


@pytest.fixture
async def operated(tmp_path: Path) -> AsyncIterator[Operated]:
    """With one good ModelServer that has all its children."""
    log = tmp_path / "operator.log"
    with logging_to(log):
        async with ApiServer([TEAM]) as server:
            operator = Task(server, tmp_path, Command("one", (TEAM,), lease_namespace=TEAM))
            await operator.start()
            try:
                both = Operated(server, operator, log)
                both.make("good")
                await took(lambda: both.is_complete("good"))
                yield both
            finally:
                await operator.stop()


async def test_garbage_troubles_nobody_else(operated):
    """As an event and in a listing, in a ModelServer and in whatever has our labels."""
    for number, garbage in enumerate(GARBAGE):
        operated.smuggle("ModelServer", f"spec-{number}", spec=garbage)
        operated.smuggle("ModelServer", f"status-{number}", spec=SPEC, status=garbage)
        for kind in (*CHILDREN, "ReplicaSet", "Pod"):
            name = f"{kind.lower()}-{number}"
            operated.smuggle(kind, name, spec=garbage, status=garbage)
    operated.smuggle("Deployment", "spec-0", spec={"replicas": "many", "template": 7})
    assert await operated.heals("good") < 2
    await operated.operator.stop()
    await operated.operator.start()
    operated.make("another")
    await took(lambda: operated.is_complete("another"))
    assert await operated.heals("good") < 2
    # A spec that is garbage keeps its status: the API server takes no status beside it.
    for number in range(len(GARBAGE)):
        said = lambda name=f"status-{number}": operated.condition(name, "Accepted")  # noqa: E731
        await took(said)
        assert said()["status"] == "True"
    assert not operated.operator.ended
    assert operated.unforeseen() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("networkPolicy", {"policy": "Quantum"}),
        ("disruptionBudget", {"policy": "Quantum"}),
        ("monitoring", {"policy": "Quantum"}),
        ("imagePullPolicy", "Quantum"),
        ("replicas", "many"),
        ("model", {"source": {"hologram": {}}}),
    ],
    ids=str,
)
async def test_a_value_of_a_newer_crd_is_named_and_the_children_stay(operated, field, value):
    """An operator that was rolled back breaks nothing, heals nothing wrongly, and says why."""
    pictures = lambda: [operated.server.objects(kind, TEAM) for kind in CHILDREN]  # noqa: E731
    before = pictures()
    operated.smuggle("ModelServer", "good", spec={**SPEC, field: value})
    await took(lambda: operated.condition("good", "Accepted").get("status") == "False")
    accepted = operated.condition("good", "Accepted")
    assert accepted["reason"] == "InvalidSpec"
    assert accepted["message"].startswith(f"spec.{field}")
    assert pictures() == before
    operated.smuggle("ModelServer", "good", spec=SPEC)
    await took(lambda: operated.condition("good", "Accepted").get("status") == "True")
    assert operated.unforeseen() == []


async def test_a_megabyte_of_spec_is_no_trouble(operated):
    """Of fields that a newer CRD knows: one line of a watch, one item of a listing."""
    ballast = {"ballast": ["x" * 1000] * 1000}
    operated.make("huge", {**SPEC, **ballast})
    await took(lambda: operated.is_complete("huge"))
    assert await operated.heals("huge") < 2
    await operated.operator.stop()
    await operated.operator.start()
    assert await operated.heals("good") < 10  # it starts, and takes the Lease
    assert await operated.heals("huge") < 2


POISON = {
    "each write is answered 500": {"action": "status", "code": 500},
    "each write hangs": {"action": "hang"},
    "each write is refused": {"action": "status", "code": 422},
    "each write breaks the connection": {"action": "reset-before"},
}


@pytest.mark.parametrize("how", POISON)
async def test_a_poisonous_modelserver_delays_no_other(operated, how):
    """Whatever becomes of its writes, the others are made and healed as if it were not there."""
    rule = Rule(verbs=("apply", "patch"), names=("poison*",), **POISON[how])
    with operated.server.faults(rule):
        operated.make("poison")
        await took(lambda: rule.hits > 0)
        for number in range(5):
            name = f"other-{number}"
            operated.make(name)
            assert await took(lambda name=name: operated.is_complete(name)) < 2
            assert await operated.heals(name) < 2
            assert await operated.heals("good") < 2
        assert not operated.is_complete("poison")
    await took(lambda: operated.is_complete("poison"), 30)
    assert operated.unforeseen() == []
