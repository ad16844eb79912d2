"""R2: whatever becomes of a watch, it is taken up again, not too often and not too late."""

import asyncio
from collections.abc import Iterator

import pytest

from faults.measurements import write
from faults.watch_faults import FAULTS, Campaign, Result

pytestmark = pytest.mark.timeout(600)  # the first test waits for the whole campaign


@pytest.fixture(scope="module")
def campaign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The whole campaign, run once."""
    long = request.config.getoption("--long-campaigns")
    campaign = Campaign(tmp_path_factory.mktemp("R2"), seconds=75.0 if long else 20.0)
    asyncio.run(campaign.run([*FAULTS]))
    if long:
        write("Faults of watches", _report(campaign))
    return campaign


def _report(campaign: Campaign) -> Iterator[str]:
    yield (
        f"Every watch of an operator at once, {campaign.seconds:g} s long; what was changed"
        " meanwhile is healed after it."
    )
    yield ""
    yield "| fault | struck | watches a second | until all was well |"
    yield "|---|---|---|---|"
    for fault, result in campaign.results.items():
        pace = f"{result.watches_per_second:.2f}"
        yield f"| {fault} | {result.hits} times | {pace} | {result.seconds:.1f} s |"
    ended = sum(result.ended is not None for result in campaign.results.values())
    unwell = sum(bool(result.difference) for result in campaign.results.values())
    yield ""
    yield f"- operators that ended: {ended}; with another end: {unwell}"


@pytest.fixture
def result(campaign: Campaign, fault: str) -> Result:
    """What one fault led to."""
    return campaign.results[fault]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_operator_lives_on(result: Result) -> None:
    """Stock kopf ends the process."""
    assert result.hits > 0
    assert result.ended is None


@pytest.mark.parametrize("fault", FAULTS)
def test_no_watch_is_taken_up_more_than_once_a_second(result: Result) -> None:
    """Nor its listing, which is more work for the API server; stock kopf does both in a frenzy."""
    assert result.watches_per_second <= 1
    assert result.lists_per_second <= 1


@pytest.mark.parametrize("fault", FAULTS)
def test_the_end_is_that_of_an_undisturbed_run(result: Result) -> None:
    """Within 15 s after the fault has ended, of which half was spent on changes unseen."""
    assert not result.difference, result.difference
    assert result.seconds <= 15
