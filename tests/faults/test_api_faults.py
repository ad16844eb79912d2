"""R1: whatever a request is answered, the operator lives on and ends where it would have ended."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from faults.api_faults import WAYS, Campaign, Fault, matrix, sample
from faults.measurements import spread, write

SHORT = 320
pytestmark = pytest.mark.timeout(1800)  # the first test waits for the whole campaign


@pytest.fixture(scope="module")
def campaign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The whole campaign, run once: the faults of those tests that were chosen."""
    long = request.config.getoption("--long-campaigns")
    chosen = {
        item.callspec.params["fault"]: None
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == request.path
        and hasattr(item, "callspec")
    }
    campaign = Campaign(tmp_path_factory.mktemp("R1"))
    if long:
        campaign.seconds, campaign.backoff_scale = 5.0, 1.0
    asyncio.run(campaign.run(chosen))
    if long:
        write("Faults of requests", _report(campaign))
    return campaign


def _report(campaign: Campaign) -> Iterator[str]:
    yield (
        f"What a request was answered, {campaign.seconds:g} s long or more; seconds from the end of"
        " the fault until all was as in an undisturbed run."
    )
    yield ""
    yield "| way | faults | struck | until all was well |"
    yield "|---|---|---|---|"
    for way in WAYS:
        found = [result for fault, result in campaign.results.items() if fault.way == way]
        hits = sum(result.hits for result in found)
        seconds = spread([result.seconds for result in found])
        yield f"| {way} | {len(found)} | {hits} times | {seconds} |"
    unwell = sum(bool(result.difference) for result in campaign.results.values())
    yield ""
    yield f"- faults: {len(campaign.results)}, of them with another end: {unwell}"
    yield f"- operators that ended: {len(campaign.ended)}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The short run takes every second fault or so."""
    if "fault" in metafunc.fixturenames:
        faults: Sequence[Fault] = matrix()
        if not metafunc.config.getoption("--long-campaigns"):
            faults = sample(faults, SHORT)
        metafunc.parametrize("fault", faults, ids=str)


def test_the_end_is_that_of_an_undisturbed_run(campaign: Campaign, fault: Fault) -> None:
    """Within 15 s after the fault has ended; and it has struck."""
    result = campaign.results[fault]
    assert not result.difference, result.difference
    assert result.hits > 0
    assert result.seconds <= 15


def test_no_operator_ended(campaign: Campaign) -> None:
    """One process and a task for each fault of a Lease or of discovery."""
    assert campaign.ended == []


def test_every_request_is_in_the_matrix(campaign: Campaign) -> None:
    """What the operator learns to ask must be struck too; what it no longer asks is dropped."""
    assert campaign.requests == {(fault.verb, fault.kind) for fault in matrix()}


def test_the_short_run_leaves_out_no_request_and_no_way() -> None:
    """It is spread evenly over the matrix."""
    short = sample(matrix(), SHORT)
    assert len(set(short)) == min(SHORT, len(matrix())) >= 300
    assert {(f.verb, f.kind) for f in short} == {(f.verb, f.kind) for f in matrix()}
    assert {f.way for f in short} == set(WAYS)
