"""R3: an operator that is stopped at a write leaves nothing that its successor does not finish."""

import asyncio

import pytest

from faults import process_kills
from faults.crash_points import Campaign, Crash, double_crashes, single_crashes
from faults.life import CHILDREN
from faults.measurements import spread, write

AT_LEAST, AT_LEAST_LONG, KILLS = 100, 400, 10
pytestmark = pytest.mark.timeout(1800)  # the first test waits for the whole campaign


@pytest.fixture(scope="module")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether all of it is wanted."""
    return bool(request.config.getoption("--long-campaigns"))


@pytest.fixture(scope="module")
def campaign(long: bool) -> Campaign:  # noqa: FBT001 - a fixture's name
    """Every write once at one of the moments; in the long run at all, and two in a row."""
    campaign = Campaign()
    asyncio.run(campaign.live_undisturbed())
    asyncio.run(campaign.run(_crashes(campaign, long=long)))
    return campaign


@pytest.fixture(scope="module")
def kills(
    campaign: Campaign,
    long: bool,  # noqa: FBT001 - a fixture's name
    tmp_path_factory: pytest.TempPathFactory,
) -> list[process_kills.Kill]:
    """A life of a real process, killed in ten of its steps; in the long run in all that write."""
    chosen = process_kills.spread_over_steps(campaign.undisturbed, 100 if long else KILLS)
    folder = tmp_path_factory.mktemp("R3")
    kills = asyncio.run(process_kills.live(folder, campaign.undisturbed, chosen))
    if long:
        write("Crash points", _report(campaign, kills))
    return kills


def _crashes(campaign: Campaign, *, long: bool) -> list[Crash]:
    every = single_crashes(campaign.undisturbed)
    if long:
        return [*every, *double_crashes(campaign.undisturbed)]
    # A write has three moments: each comes at every third write.
    return [crash for index, crash in enumerate(every) if index % 3 == index // 3 % 3]


def test_every_stop_has_struck(campaign: Campaign, long: bool) -> None:  # noqa: FBT001
    """As often as it was to."""
    assert len(campaign.results) >= (AT_LEAST_LONG if long else AT_LEAST)
    missed = [
        f"{crash}: {struck}"
        for crash, (struck, _) in campaign.results.items()
        if struck != len(crash.stops)
    ]
    assert missed == []


def test_the_life_goes_on_as_if_nothing_had_happened(campaign: Campaign) -> None:
    """Same objects, same owners of their fields, same creates, deletes and changing writes."""
    changed = [f"{crash}: {text}" for crash, (_, text) in campaign.results.items() if text]
    assert changed == []


def test_every_child_is_made_and_unmade_in_the_life(campaign: Campaign) -> None:
    """Or its writes would not be among those that are stopped."""
    assert set().union(*(each.ledger.created for each in campaign.undisturbed)) == set(CHILDREN)
    assert set().union(*(each.ledger.deleted for each in campaign.undisturbed)) == set(CHILDREN)
    kinds = {call.kind for each in campaign.undisturbed for call in each.writes}
    assert kinds == {*CHILDREN, "ModelServer", "Event"}


def test_a_killed_process_goes_on_where_it_was(kills: list[process_kills.Kill]) -> None:
    """By SIGKILL, and started anew under its old name."""
    assert len(kills) >= KILLS
    assert [kill for kill in kills if kill.struck != 1 or kill.difference] == []


def _report(campaign: Campaign, kills: list[process_kills.Kill]) -> list[str]:
    twice = sum(crash.second is not None for crash in campaign.results)
    changed = sum(bool(text) for _, text in campaign.results.values())
    return [
        (
            "One ModelServer's life, its operator stopped before a write, after the commit or "
            "after the answer."
        ),
        "",
        (
            f"- crash points: {len(campaign.results)}, in {twice} of them the successor was "
            "stopped at its first write too"
        ),
        f"- of them with another end, or other creates, deletes or changes: {changed}",
        f"- real processes killed: {spread([kill.seconds for kill in kills])} until all was done",
    ]
