"""
Measures the runtime against a tutorial's FastAPI application and against uvicorn alone.

All servers of a round run at the same time, and every measurement is made of each in turn before
the next round begins: what else the machine does falls on all of them, and the ratios hold. Each
server has one CPU and wrk another. CPU time a request is what a busy machine changes least: for a
server that is kept busy its ratios are those of the requests a second of a machine of its own. The
runtime has everything on that a pod has: limits, metrics, request ids.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import models
import servers
from servers import Program, Server
from wrk import Counted, Load, Wrk

TITLE = "# The runtime, measured\n\nWritten by `make bench-runtime`.\n\n"
HELLO = "bare uvicorn"
BIG = "1,000 rows"
TOLERANCE = 1e-9
CLIENTS = (1, 16, 64)
BIG_CLIENTS = 4
QUICK = (3, 2)
FULL = (5, 3)


@dataclass(frozen=True)
class Scenario:
    """
    One column of the table.

    Args:
        textbook: the path of the same question at the textbook application.
        beside: requests that go on meanwhile.
    """

    name: str
    load: Load
    textbook: str
    beside: Load | None = None


@dataclass
class Figures:
    """What was counted, by model, server and scenario; one entry a round."""

    counted: dict[tuple[str, str, str], list[Counted]] = field(
        default_factory=lambda: defaultdict(list)
    )
    cpu: dict[tuple[str, str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    cold: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    cold_cpu: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    resident: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))


def main() -> int:
    """Measure, and print the tables."""
    arguments = _parser().parse_args()
    rounds, seconds = QUICK if arguments.quick else FULL
    rounds = arguments.rounds or rounds
    seconds = arguments.seconds or seconds
    cpus = sorted(os.sched_getaffinity(0))
    own, other = (cpus[0], cpus[1]) if len(cpus) > 1 else (None, None)
    wrk = Wrk(other, seconds)
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        bodies = models.make_bodies(Path(folder))
        for name in arguments.models:
            artifact = models.make_artifact(name, Path(folder))
            for number in range(1, rounds + 1):
                _say(f"{name}: round {number} of {rounds}")
                _measure_once(artifact, bodies, wrk, own, figures)
    report = "\n".join(_report(figures, arguments.models, rounds, seconds))
    print(report)
    if arguments.markdown is not None:
        arguments.markdown.write_text(f"{TITLE}{report}\n")
    return 0


def _measure_once(
    artifact: Path, bodies: models.Bodies, wrk: Wrk, cpu: int | None, figures: Figures
) -> None:
    name = artifact.name
    with ExitStack() as stack:
        programs = (servers.hello(), servers.textbook(artifact), servers.runtime(artifact))
        running = {p.name: stack.enter_context(_started(p, name, cpu, figures)) for p in programs}
        _require_same_answers(running, bodies)
        for scenario in _scenarios(name, bodies):
            _round(name, scenario, running, wrk, figures)


def _started(program: Program, model: str, cpu: int | None, figures: Figures) -> Server:
    server = Server(program, cpu)
    figures.cold[model, program.name].append(server.cold_start_seconds)
    figures.cold_cpu[model, program.name].append(server.cold_start_cpu_seconds)
    figures.resident[model, program.name].append(server.resident_mb())
    return server


def _scenarios(model: str, bodies: models.Bodies) -> Iterator[Scenario]:
    for clients in CLIENTS:
        yield Scenario(
            f"1 row, {clients} clients", Load("/predict", bodies.one, clients), "/predict"
        )
    big = Load("/batch-predict", bodies.big, BIG_CLIENTS)
    yield Scenario(BIG, big, big.path)
    v2 = Load(f"/v2/models/{model}/infer", bodies.big_v2, BIG_CLIENTS)
    yield Scenario("1,000 rows, V2", v2, big.path)
    one = Load("/predict", bodies.one, 16)
    yield Scenario(
        "1 row beside 1,000", one, one.path, beside=Load("/batch-predict", bodies.big, 1)
    )


def _round(
    model: str, scenario: Scenario, running: dict[str, Server], wrk: Wrk, figures: Figures
) -> None:
    for name, server in running.items():
        load = scenario.load
        if name == HELLO:
            if scenario.beside is not None or load.path != "/predict":
                continue
            load = Load("/", None, load.clients)
        elif name == "textbook" and load.path != scenario.textbook:
            continue  # it has no such dialect: compared with its own
        wrk.warm_up(server.url, load)
        used = server.cpu_seconds()
        if scenario.beside is None:
            counted = wrk.run(server.url, load)
            used = server.cpu_seconds() - used
        else:
            counted = wrk.run_beside(server.url, load, scenario.beside)
        if counted.requests < load.clients:
            raise SystemExit(
                f"{name} answered {counted.requests} requests of {scenario.name} in a run: "
                "too few to count; let runs be longer (--seconds) or the machine less busy"
            )
        if scenario.beside is None:
            figures.cpu[model, name, scenario.name].append(used / counted.requests * 1e6)
        figures.counted[model, name, scenario.name].append(counted)


def _require_same_answers(running: dict[str, Server], bodies: models.Bodies) -> None:
    """Speed is worth nothing when the answers differ."""
    for path, body in (("/predict", bodies.one), ("/batch-predict", bodies.big)):
        ours, theirs = (
            json.loads(running[name].post(path, body.read_bytes()) or b"null")
            for name in ("runtime", "textbook")
        )
        pairs = zip(
            ours.get("predictions", [ours]), theirs.get("predictions", [theirs]), strict=True
        )
        for our, their in pairs:
            same = our["prediction"] == their["prediction"] and all(
                abs(a - b) <= TOLERANCE
                for a, b in zip(our["probability"], their["probability"], strict=True)
            )
            if not same:
                raise SystemExit(f"{path}: the runtime answers {our}, the textbook {their}")


def _report(figures: Figures, measured: list[str], rounds: int, seconds: int) -> Iterator[str]:
    yield (
        f"{_machine()}; {rounds} rounds of {seconds} s; "
        "minimum / median / maximum of the rounds, ratios taken round by round."
    )
    for model in measured:
        yield from ("", f"## {model}", "")
        yield from _table("requests a second", figures, model, _speeds)
        yield from _table("server's CPU time a request, us", figures, model, _costs)
        yield from _table("p99, ms", figures, model, _latencies)
        yield "| | textbook | runtime | ratio |"
        yield "|---|---|---|---|"
        yield _process_row("cold start, s", figures.cold, model, 2)
        yield _process_row("cold start, CPU s", figures.cold_cpu, model, 2)
        yield _process_row("resident after load, MB", figures.resident, model, 0)


Values = Callable[[Figures, tuple[str, str, str]], list[float]]


def _speeds(figures: Figures, key: tuple[str, str, str]) -> list[float]:
    return [counted.per_second for counted in figures.counted.get(key, [])]


def _costs(figures: Figures, key: tuple[str, str, str]) -> list[float]:
    return figures.cpu.get(key, [])


def _latencies(figures: Figures, key: tuple[str, str, str]) -> list[float]:
    return [counted.p99 for counted in figures.counted.get(key, [])]


def _table(title: str, figures: Figures, model: str, values: Values) -> Iterator[str]:
    yield f"| {title} | bare uvicorn | textbook | runtime | of bare uvicorn | x textbook |"
    yield "|---|---|---|---|---|---|"
    for scenario in dict.fromkeys(name for m, _, name in figures.counted if m == model):
        hello, textbook, ours = (
            values(figures, (model, server, scenario)) for server in (HELLO, "textbook", "runtime")
        )
        if not textbook:  # it has no such dialect: compared with its own
            textbook = values(figures, (model, "textbook", BIG))
        if not ours:
            continue
        faster = values is _speeds  # the others are the better the smaller they are
        digits = 1 if values is _latencies else 0
        cells = (
            scenario,
            *(_three(each, digits) for each in (hello, textbook, ours)),
            _three(_ratios(ours, hello) if faster else _ratios(hello, ours), 2),
            _three(_ratios(ours, textbook) if faster else _ratios(textbook, ours), 1),
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _process_row(
    title: str, values: dict[tuple[str, str], list[float]], model: str, digits: int
) -> str:
    textbook, ours = values[model, "textbook"], values[model, "runtime"]
    ratios = _three(_ratios(ours, textbook), 2)
    return f"| {title} | {_three(textbook, digits)} | {_three(ours, digits)} | {ratios} |"


def _ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(ours, theirs, strict=False)]


def _three(values: list[float], digits: int) -> str:
    if not values:
        return ""
    three = min(values), statistics.median(values), max(values)
    return " / ".join(f"{value:,.{digits}f}" for value in three)


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    cpus = len(os.sched_getaffinity(0))
    return f"Python {platform.python_version()} on {cpus} CPUs ({model}), load before {load:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks/runtime.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="three rounds of two seconds")
    parser.add_argument("--rounds", type=int, help=f"rounds (default {FULL[0]})")
    parser.add_argument("--seconds", type=int, help=f"of one measurement (default {FULL[1]})")
    parser.add_argument(
        "--models",
        nargs="+",
        choices=list(models.estimators()),
        default=list(models.estimators()),
        help="which models to measure (default: all)",
    )
    parser.add_argument("--markdown", type=Path, help="write the tables to this file as well")
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
