"""R2: however its watches break, the operator lives on, asks seldom and misses nothing."""

import asyncio
from collections.abc import Iterator

import pytest

from faults.measurements import write
from faults.watch_faults import FAULTS, Campaign, Fault
from modelserver_operator.watch import WATCHED

pytestmark = pytest.mark.timeout(600)  # the first test waits for the whole campaign


@pytest.fixture(scope="module")
def campaign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The whole campaign, run once."""
    campaign = Campaign(tmp_path_factory.mktemp("R2"))
    if request.config.getoption("--long-campaigns"):
        campaign.seconds, campaign.real_times = 75.0, True
    asyncio.run(campaign.run())
    if campaign.real_times:
        write("R2: watch faults", _table(campaign))
    return campaign


def _table(campaign: Campaign) -> Iterator[str]:
    yield "| fault | watches struck | operator ended | reconnects/s of a watch | s to converge |"
    yield "| --- | --- | --- | --- | --- |"
    for fault, result in campaign.results.items():
        rate, seconds = result.reconnects_per_second, result.seconds
        yield f"| {fault} | {result.hits} | {result.ended} | {rate:.2f} | {seconds:.2f} |"


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_broken_watch_is_begun_anew(campaign: Campaign, fault: Fault) -> None:
    """Once a second at most; 15 s after the fault's end all is as if there had been none."""
    result = campaign.results[fault]
    assert result.hits >= len(WATCHED)
    assert not result.ended
    assert result.reconnects_per_second <= 1
    assert not result.difference, result.difference
    assert result.seconds <= 15


def test_nothing_unforeseen_happened(campaign: Campaign) -> None:
    """An error that only the last net catches would be an exit elsewhere."""
    assert campaign.unforeseen == []
