"""Whatever happens to the leader, the standby soon writes in its place, and nobody else does."""

import asyncio
from random import Random
from signal import SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import Final

import pytest

from faults.leader_kills import Campaign
from faults.measurements import spread, write

ALLOWED_SECONDS: Final = {SIGKILL: 15.0, SIGTERM: 5.0, SIGSTOP: 15.0}
SHORT: Final = (SIGKILL, SIGKILL, SIGTERM, SIGSTOP, SIGTERM)
LONG: Final = (*(SIGKILL,) * 8, *(SIGTERM,) * 7, *(SIGSTOP,) * 5)
pytestmark = pytest.mark.timeout(1800)  # the first test waits for the whole campaign


@pytest.fixture(scope="module")
def signals(request: pytest.FixtureRequest) -> tuple[Signals, ...]:
    """What is sent to the leaders."""
    if not request.config.getoption("--long-campaigns"):
        return SHORT
    return tuple(Random(0).sample(LONG, len(LONG)))  # noqa: S311 - an order, no secret


@pytest.fixture(scope="module")
def campaign(signals: tuple[Signals, ...], tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """All of them, run once."""
    campaign = Campaign(tmp_path_factory.mktemp("leaders"))
    asyncio.run(campaign.run(signals))
    if len(signals) == len(LONG):
        write("Leader kills", _report(campaign))
    return campaign


@pytest.mark.parametrize("number", ALLOWED_SECONDS, ids=lambda number: number.name)
def test_the_standby_writes_in_time(
    campaign: Campaign, signals: tuple[Signals, ...], number: Signals
) -> None:
    """Counted from the signal to its first write."""
    seconds = [each.seconds for each in campaign.takeovers if each.signal == number]
    assert len(seconds) == signals.count(number)
    assert max(seconds) <= ALLOWED_SECONDS[number]


def test_what_was_changed_meanwhile_is_repaired(campaign: Campaign) -> None:
    """Also what was changed after a frozen leader had come back."""
    assert [each for each in campaign.takeovers if not each.healed] == []


def test_only_the_holder_of_the_lease_writes(campaign: Campaign) -> None:
    """At any time, also when a frozen leader reads an answer that is older than its Lease."""
    assert campaign.writes > 0
    assert campaign.trespasses == []


def _report(campaign: Campaign) -> list[str]:
    return [
        (
            "Two processes and three ModelServers; seconds from the signal to the first write by "
            "the standby."
        ),
        "",
        *(
            f"- {number.name}: "
            f"{spread([t.seconds for t in campaign.takeovers if t.signal == number])}"
            for number in ALLOWED_SECONDS
        ),
        (
            f"- writes: {campaign.writes}, of them by another than the holder of the Lease: "
            f"{len(campaign.trespasses)}"
        ),
    ]
