"""What is measured: the writes of one, healing, a burst, a restart among many, edits."""

import asyncio
import sys
import time
from collections import Counter

from operator_bench.api_client import CHILDREN, MERGE, MODEL_SERVERS, Body, Kind
from operator_bench.bench import NAMESPACE, PLURALS, Bench, eventually
from operator_bench.operator_process import operator
from operator_bench.table import Table


async def writes_of_one(bench: Bench, table: Table) -> None:
    """What it takes to create one ModelServer, and a flip of one pod."""
    before = bench.writes()
    await bench.create("one")
    await bench.onlooker.until(lambda: bench.is_ready("one"), 60)
    await asyncio.sleep(2)
    made = bench.writes() - before
    applies = sum(n for what, n in made.items() if what.partition(" ")[2] in PLURALS)
    table.add("applies to create one (8 children, autoscaled)", applies, "<= 9")
    table.add("status writes until Ready", made["patch modelservers/status"], "")
    table.add("Events until Ready", sum(n for w, n in made.items() if "events" in w), "")

    pod = next(body for body in bench.onlooker.objects.values() if body.get("kind") == "Pod")
    for ready, text in ((False, "lost"), (True, "regained")):
        before = bench.writes()
        await bench.pods.set(pod, ready=ready)
        await asyncio.sleep(3)
        flipped = bench.writes() - before
        name = f"status writes when one pod's readiness is {text}"
        table.add(name, flipped["patch modelservers/status"], "<= 1")
        others = sum(flipped.values()) - flipped["patch modelservers/status"]
        table.add(f"   other writes when it is {text}", others, "Events only")


async def burst(bench: Bench, table: Table, count: int) -> None:
    """Many at once, from the acknowledged create to the last of the eight children."""
    names = [f"burst-{i}" for i in range(count)]
    created = dict(
        zip(names, await asyncio.gather(*(bench.create(name) for name in names)), strict=True)
    )
    complete: dict[str, float] = {}

    def note() -> bool:
        by_server: Counter[str] = Counter()
        for (kind, _, _), body in bench.onlooker.objects.items():
            if kind in PLURALS:
                by_server[body["metadata"]["labels"]["modelserver.dev/name"]] += 1
        for name in names:
            if name not in complete and by_server[name] >= len(CHILDREN):
                complete[name] = time.monotonic()
        return len(complete) == count

    while not note():
        await asyncio.sleep(0.02)
        if time.monotonic() - max(created.values()) > 120:  # noqa: PLR2004
            raise SystemExit(f"{len(complete)} of {count} have all their children after 120 s")
    waits = [complete[name] - created[name] for name in names]
    table.seconds(f"burst of {count}: create to all 8 children", waits, "p99 <= 6 s")
    await bench.onlooker.until(lambda: all(bench.is_ready(name) for name in names), 120)


async def heal(bench: Bench, table: Table, rounds: int) -> None:
    """An edited or deleted child is as before."""
    await bench.onlooker.until(lambda: bench.is_ready("one"), 60)
    edited, deleted = [], []
    for _ in range(rounds):
        for kind in CHILDREN:
            deleted.append(await _heal_deletion(bench, kind))
            edited.append(await _heal_edit(bench, kind))
    table.seconds("heal an edited child", edited, "p99 < 1 s")
    table.seconds("heal a deleted child", deleted, "p99 < 1 s")


async def _heal_edit(bench: Bench, kind: Kind) -> float:
    body = await _settled(bench, kind)
    key = (kind.plural, NAMESPACE, body["metadata"]["name"])
    label = "app.kubernetes.io/component"
    edit = {"metadata": {"labels": {label: "edited"}}}
    await bench.api.send("PATCH", kind.path(NAMESPACE, key[2]), edit, MERGE)
    started = time.monotonic()

    def is_healed() -> bool:
        seen = bench.onlooker.objects.get(key, {}).get("metadata", {})
        newer = int(seen.get("resourceVersion", 0)) > int(body["metadata"]["resourceVersion"]) + 0
        return newer and seen["labels"].get(label) != "edited" and bench.onlooker.changes[key] > was

    was = bench.onlooker.changes[key] + 1
    if bench.onlooker.objects.get(key, {}).get("metadata", {}).get("labels", {}).get(label) == (
        "edited"
    ):
        was -= 1
    return await bench.onlooker.until(is_healed, 30) - started


async def _heal_deletion(bench: Bench, kind: Kind) -> float:
    body = await _settled(bench, kind)
    key = (kind.plural, NAMESPACE, body["metadata"]["name"])
    uid = body["metadata"]["uid"]
    await bench.api.send("DELETE", kind.path(NAMESPACE, key[2]))
    started = time.monotonic()

    def is_back() -> bool:
        return bench.onlooker.objects.get(key, {}).get("metadata", {}).get("uid", uid) != uid

    return await bench.onlooker.until(is_back, 30) - started


async def _settled(bench: Bench, kind: Kind) -> Body:
    """The child of *kind*, once the server is at peace with what was done to it before."""
    await bench.onlooker.until(
        lambda: len(bench.children("one")) == len(CHILDREN) and bench.is_ready("one"), 60
    )
    await asyncio.sleep(0.7)  # longer than the quiet time of a key: each edit is a first one
    return bench.children("one")[kind.plural]


async def fill(bench: Bench, count: int) -> list[str]:
    """Create *count* ModelServers, fifty at a time, and wait until all are Ready."""
    names = [f"many-{i}" for i in range(count)]
    for begin in range(0, count, 50):
        part = names[begin : begin + 50]
        await asyncio.gather(*(bench.create(name) for name in part))
        await bench.onlooker.until(lambda p=part: all(map(bench.is_ready, p)), 300)  # type: ignore[misc]
        print(f"    {begin + len(part)} of {count} are Ready", file=sys.stderr, flush=True)
    return names


async def restart(bench: Bench, table: Table, count: int) -> None:
    """A new process, until it has looked at every ModelServer, and a minute of rest."""
    objects = len(bench.onlooker.objects)
    written, started = sum(bench.writes().values()), time.monotonic()
    with operator(bench.plane) as process:
        await eventually(lambda: process.is_at_rest() and process.reconciled() >= count, 300)
        seconds, cpu = time.monotonic() - started, process.cpu_seconds()
        table.add(f"{objects} objects seen: restart to converged", f"{seconds:.1f} s", "<= 20 s")
        table.add("CPU of that", f"{cpu:.1f} s", "")
        asked, used = bench.requests(), process.cpu_seconds()
        await asyncio.sleep(60)
        table.add("memory", f"{process.rss_mib():.0f} MiB", "<= 300 MiB")
        rest = bench.requests() - asked
        table.add("writes after the restart and a minute of rest",
                  sum(bench.writes().values()) - written, "0")  # fmt: skip
        table.add("requests in a minute of rest, Lease included", rest, "")
        table.add("CPU in a minute of rest", f"{process.cpu_seconds() - used:.2f} s", "")
        await edits(bench, table, min(count, 200))
        table.add("memory after that", f"{process.rss_mib():.0f} MiB", "<= 300 MiB")


async def edits(bench: Bench, table: Table, count: int) -> None:
    """Twenty edits a second of different ModelServers, each until its child follows."""

    async def edit(name: str) -> float:
        spec = {"spec": {"service": {"annotations": {"edited": "yes"}}}}
        await bench.api.send("PATCH", MODEL_SERVERS.path(NAMESPACE, name), spec, MERGE)
        started = time.monotonic()
        key = ("services", NAMESPACE, name)
        return (
            await bench.onlooker.until(
                lambda: "edited"
                in bench.onlooker.objects[key]["metadata"].get("annotations", {}), 60
            )
            - started
        )  # fmt: skip

    running_edits = []
    for i in range(count):
        running_edits.append(asyncio.create_task(edit(f"many-{i}")))
        await asyncio.sleep(0.05)
    table.seconds("edit to child, 20 a second", await asyncio.gather(*running_edits), "p99 <= 2 s")
