"""What every test run has: budgets in minutes, and the choice between short and long campaigns."""

import hypothesis
import pytest

from stages import Stages

pytest_plugins = ["pytester"]

# How fast examples come says something of the machine, and nothing of what is tested.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the long run of the fault campaigns."""
    parser.addoption(
        "--long-campaigns",
        action="store_true",
        help="run the fault campaigns at full length, write docs/measurements/faults.md, and keep"
        " no time budget",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Keep the budgets; the long campaigns take what they take."""
    if not config.getoption("--long-campaigns"):
        config.pluginmanager.register(Stages())
