"""
The operator against a real API server: what it writes, how fast it heals, and how it scales.

An API server with its storage and controllers is started on loopback (no node: what pods would say
is said for them), and the operator of this checkout as a process of its own. Every figure is
printed beside the round trip of one plain write in the same run.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from operator_bench.bench import bench, eventually
from operator_bench.control_plane import controllers, missing_programs
from operator_bench.operator_process import operator
from operator_bench.scenarios import burst, fill, heal, restart, writes_of_one
from operator_bench.table import Table, machine


async def measure(options: argparse.Namespace) -> Table:
    """Run everything; the order matters: what is small first, what is large last."""
    table = Table()
    print(f"==> operator against a real API server ({machine()})", flush=True)
    async with bench() as parts:
        table.round_trip = await parts.round_trip()
        table.add("one plain write, round trip", f"{table.round_trip * 1000:.1f} ms", "")
        with operator(parts.plane) as process:
            await eventually(process.is_at_rest, 60)
            with controllers(parts.plane):
                await writes_of_one(parts, table)
                await heal(parts, table, options.rounds)
                await burst(parts, table, options.burst)
            with controllers(parts.plane, hurried=True):
                started, cpu = time.monotonic(), process.cpu_seconds()
                await fill(parts, options.servers)
            seconds, used = time.monotonic() - started, process.cpu_seconds() - cpu
            text = f"{seconds:.0f} s, {used:.0f} s CPU"
            table.add(f"creating {options.servers}, until all are Ready", text, "")
        with controllers(parts.plane):
            await restart(parts, table, options.servers)
    return table


def main() -> int:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(
        prog="make bench-operator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--servers", type=int, default=1000, help="how many a restart finds [1000]")
    parser.add_argument("--burst", type=int, default=100, help="how many are created at once [100]")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of healing all kinds [5]")
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    options = parser.parse_args()
    missing = missing_programs()
    if missing:
        print(
            f"not on PATH: {', '.join(missing)}. tests/cluster/kind/build.sh builds them.",
            file=sys.stderr,
        )
        return 2
    table = asyncio.run(measure(options))
    if options.markdown is not None:
        title = f"# The operator, measured\n\n{machine()}, by `make bench-operator`.\n\n"
        options.markdown.write_text(title + table.markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
