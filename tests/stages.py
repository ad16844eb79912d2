"""How many minutes each stage of the tests may take; a session fails where one takes more."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pytest

TOTAL_MINUTES: Final = 40.0


@dataclass(frozen=True)
class Stage:
    """
    Tests that share a budget.

    Args:
        name: as the table shows it.
        minutes: the budget.
        paths: files or folders, from the repository's root; the longest that fits decides.
    """

    name: str
    minutes: float
    paths: tuple[str, ...]


STAGES: Final = (
    Stage("units and contracts", 4, ("tests",)),
    Stage("runtime", 9, ("tests/runtime",)),
    Stage("R1 API faults", 4, ("tests/faults/test_api_faults.py",)),
    Stage("R2 watch faults", 1, ("tests/faults/test_watch_faults.py",)),
    Stage("R3 crash points", 2, ("tests/faults/test_crash_points.py",)),
    Stage("leader kills", 1.5, ("tests/faults/test_leader_kills.py",)),
    Stage("bad input", 1, ("tests/faults/test_bad_input.py",)),
    Stage("cluster", 28, ("tests/cluster",)),
)


def stage_of(path: str, stages: Sequence[Stage]) -> Stage | None:
    """Find the stage of a test file; None where no stage has it."""
    fitting = [
        (len(place), stage)
        for stage in stages
        for place in stage.paths
        if path == place or path.startswith(f"{place}/")
    ]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


class Stages:
    """
    A pytest plugin: sums what the tests took, setup and teardown included, and compares.

    Args:
        stages: with their budgets.
        total_minutes: the budget of all stages together.
    """

    def __init__(
        self, stages: Sequence[Stage] = STAGES, total_minutes: float = TOTAL_MINUTES
    ) -> None:
        self._stages = stages
        self._total_minutes = total_minutes
        self._seconds: Counter[str] = Counter()
        self._tests: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add what one phase of a test took to its stage."""
        stage = stage_of(report.nodeid.partition("::")[0], self._stages)
        if stage is not None:
            self._seconds[stage.name] += report.duration
            self._tests[stage.name] += report.when == "setup"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a session that would have passed."""
        if session.exitstatus == pytest.ExitCode.OK and any(self._overruns()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        terminalreporter.section("minutes per stage")
        for stage in self._stages:
            if self._tests[stage.name]:
                terminalreporter.line(
                    f"{stage.name:<20} {self._seconds[stage.name] / 60:6.2f} of {stage.minutes:4g}"
                    f"  {self._tests[stage.name]:5d} tests"
                )
        spent = self._seconds.total() / 60
        terminalreporter.line(
            f"{'all':<20} {spent:6.2f} of {self._total_minutes:4g}  {self._tests.total():5d} tests"
        )
        for overrun in self._overruns():
            terminalreporter.line(f"OVER BUDGET: {overrun}", red=True, bold=True)

    def _overruns(self) -> Iterator[str]:
        for stage in self._stages:
            if self._seconds[stage.name] > stage.minutes * 60:
                yield f"stage '{stage.name}' took more than {stage.minutes:g} minutes"
        if self._seconds.total() > self._total_minutes * 60:
            yield f"all stages together took more than {self._total_minutes:g} minutes"
