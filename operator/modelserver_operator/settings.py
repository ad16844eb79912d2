"""What the operator can be told, on the command line or in the environment."""

import argparse
import math
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_PREFIX: Final = "MODELSERVER_OPERATOR_"


@dataclass(frozen=True)
class OperatorSettings:
    """See `_parser` for what each means."""

    runtime_image: str
    namespaces: tuple[str, ...]
    lease_namespace: str
    lease_name: str
    identity: str
    port: int
    prometheus_namespace: str
    max_requests_per_second: float
    request_burst: int
    backoff_scale: float
    log_level: str
    log_format: str


def parse(argv: Sequence[str], environment: Mapping[str, str]) -> OperatorSettings:
    """Read *argv*; an option that is not given is taken from MODELSERVER_OPERATOR_<OPTION>."""
    parser = _parser()
    # As options, so that values from the environment are checked like those that were typed.
    given = [
        f"{action.option_strings[0]}={environment[name]}"
        for action in parser._actions  # noqa: SLF001 - argparse has no public list of its options
        if (name := _PREFIX + action.dest.upper()) in environment
    ]
    values = vars(parser.parse_args([*given, *argv]))
    namespaces = tuple(name for name in values.pop("watch_namespaces").split(",") if name)
    return OperatorSettings(namespaces=namespaces, **values)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelserver-operator",
        description="Makes the pods, Services and settings that ModelServer resources ask for.",
        epilog=f"Every option can be set in the environment: --port is {_PREFIX}PORT.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )

    def add(option: str, default: str, text: str, **more: object) -> None:
        parser.add_argument(option, default=default, help=text, **more)  # type: ignore[arg-type]

    add(
        "--runtime-image",
        "localhost/modelserver-runtime:dev",
        "image of pods whose spec names none",
    )
    add("--watch-namespaces", "", "comma separated; empty: the whole cluster")
    add("--lease-namespace", "default", "where the leader's Lease is")
    add("--lease-name", "modelserver-operator", "name of the leader's Lease")
    add("--identity", f"{socket.gethostname()}-{os.getpid()}", "who this process is in the Lease")
    add("--port", "8080", "of /healthz, /readyz and /metrics; 0: any free one", type=int)
    add(
        "--prometheus-namespace",
        "monitoring",
        "whose pods may read the metrics of a ModelServer that names who may reach it",
    )
    # A new ModelServer takes about twenty requests: a hundred at once are to be done in seconds.
    add(
        "--max-requests-per-second",
        "300",
        "to the API server, on average; watches and the Lease are not counted",
        type=_positive(float),
    )
    add("--request-burst", "1000", "requests that may go at once after a rest", type=_positive(int))
    add(
        "--backoff-scale",
        "1",
        "multiplies every pause after an error, for tests of what happens then",
        type=_positive(float),
    )
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    add("--log-level", "INFO", "what to log", choices=levels)
    add("--log-format", "json", "how to log", choices=("json", "console"))
    return parser


def _positive(number: Callable[[str], float]) -> Callable[[str], float]:
    def parsed(text: str) -> float:
        value = number(text)
        if not 0 < value < math.inf:
            raise ValueError
        return value

    parsed.__name__ = f"positive {number.__name__}"  # what argparse calls it when it complains
    return parsed
