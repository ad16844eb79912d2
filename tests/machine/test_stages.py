"""A stage that takes longer than its budget fails the session, and the table says which."""

from pathlib import Path

import pytest

from stages import STAGES, Stage, Stages, stage_of

TESTS = Path(__file__).parents[1]
QUICK = "def test_quick(): pass"
SLOW = "import time\n\ndef test_slow(): time.sleep(0.05)"
SLOW_TO_SET_UP = """
import time, pytest

@pytest.fixture
def campaign(): time.sleep(0.05)

def test_result(campaign): pass
"""
FAILING = "def test_failing(): assert False"


def run(pytester: pytest.Pytester, source: str, **budgets: float) -> pytest.RunResult:
    """Run one test file under these budgets, in seconds."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(**{"tests/slow/test_it": source})
    stages = [
        Stage("others", budgets.get("others", 60) / 60, ("tests",)),
        Stage("slow ones", budgets.get("slow", 60) / 60, ("tests/slow",)),
    ]
    plugin = Stages(stages, budgets.get("total", 60) / 60)
    return pytester.runpytest_inprocess("-p", "no:randomly", plugins=[plugin])


def test_what_stays_within_its_budget_passes(pytester: pytest.Pytester) -> None:
    """The table stands before pytest's own last line."""
    result = run(pytester, QUICK)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["*minutes per stage*", "slow ones *0.00 of *1*1 tests", "all *1 tests", "*1 passed*"]
    )
    result.stdout.no_fnmatch_line("*OVER BUDGET*")


@pytest.mark.parametrize(
    ("source", "budgets", "told"),
    [
        pytest.param(SLOW, {"slow": 0.01}, "stage 'slow ones'", id="a slow test"),
        pytest.param(SLOW_TO_SET_UP, {"slow": 0.01}, "stage 'slow ones'", id="a slow setup"),
        pytest.param(SLOW, {"total": 0.01}, "all stages together", id="all together"),
    ],
)
def test_what_takes_longer_fails_the_session(
    source: str, budgets: dict[str, float], told: str, pytester: pytest.Pytester
) -> None:
    """Although every test passed."""
    result = run(pytester, source, **budgets)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"OVER BUDGET: {told} took more than *", "*1 passed*"])


def test_the_budget_of_others_is_not_touched(pytester: pytest.Pytester) -> None:
    """A slow test counts where it belongs, not where its parent folder does."""
    assert run(pytester, SLOW, others=0.01).ret == pytest.ExitCode.OK


def test_a_failure_stays_a_failure(pytester: pytest.Pytester) -> None:
    """Whatever it took."""
    assert run(pytester, FAILING, slow=0.00001).ret == pytest.ExitCode.TESTS_FAILED


def test_the_budgets_fit_the_whole() -> None:
    """Every test file has a stage, every path of a stage exists, and together they fit."""
    assert sum(stage.minutes for stage in STAGES) <= 60
    files = [f"tests/{path.relative_to(TESTS)}" for path in TESTS.rglob("test_*.py")]
    assert [file for file in files if stage_of(file, STAGES) is None] == []
    missing = [
        path for stage in STAGES for path in stage.paths if not (TESTS.parent / path).exists()
    ]
    assert missing == []
