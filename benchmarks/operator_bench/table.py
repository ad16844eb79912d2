"""The figures of a run."""

import os
import platform
import statistics
from collections.abc import Sequence


class Table:
    """The figures, printed as they come and again as Markdown."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str]] = []
        self.round_trip = 1.0

    def add(self, what: str, value: object, target: str) -> None:
        """One figure."""
        self._rows.append((what, str(value), target))
        print(f"    {what:<62} {value!s:>34}   {target}", flush=True)

    def seconds(self, what: str, values: Sequence[float], target: str) -> None:
        """A distribution: p50, p99, longest, and the median in round trips."""
        ordered = sorted(values)
        p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
        trips = p50 / self.round_trip
        text = f"{p50:.3f} / {p99:.3f} / {ordered[-1]:.3f} s, {trips:.0f}x"
        self.add(f"{what}, n={len(ordered)}", text, target)

    def markdown(self) -> str:
        """As a document has it."""
        head = "| figure (p50 / p99 / longest, median in round trips) | measured | target |\n"
        rows = "".join(f"| {what} | {value} | {target} |\n" for what, value, target in self._rows)
        return f"{head}|---|---|---|\n{rows}"


def machine() -> str:
    """What it was measured on."""
    return f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}"
