"""Every reason is explained to the person on call, and nothing is explained that is never given."""

import re
from pathlib import Path

from modelserver_operator.reasons import REASONS
from status_cases import CASES

CONDITIONS = {"Accepted", "Available", "Ready", "Stalled"}
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def rows() -> dict[str, dict[str, list[str]]]:
    """Read the guide's chapters on conditions: by reason the cells of meaning and first steps."""
    found: dict[str, dict[str, list[str]]] = {}
    condition = ""
    conditions, _, _ = GUIDE.read_text().partition("## The operator itself")
    for line in conditions.splitlines():
        if line.startswith("## "):
            condition = line[3:].split(":")[0]
        if condition in CONDITIONS and line.startswith("| `"):
            names, *cells = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            for name in re.findall(r"`([A-Za-z]+)`", names):
                assert name not in found.setdefault(condition, {}), f"{name} is explained twice"
                found[condition][name] = cells
    return found


def test_every_reason_is_explained_under_its_condition_and_no_other():
    """Both ways: the guide against all situations that the tests know, which give every reason."""
    given: dict[str, set[str]] = {}
    for case in CASES:
        given.setdefault("Accepted", set()).add(case.accepted)
        given.setdefault("Available", set()).add(case.available)
        given.setdefault("Stalled", set()).add(case.stalled)
        if case.accepted == "Accepted":  # else Ready repeats it
            given.setdefault("Ready", set()).add(case.ready)
    explained = {name: set(reasons) for name, reasons in rows().items()}
    assert explained == given
    assert set().union(*explained.values()) == REASONS


def test_every_reason_has_a_meaning_and_a_first_step():
    """But for those that say that all is as it should be."""
    fine = {"Accepted", "PodsAvailable", "Ready", "Progressing"}
    for reasons in rows().values():
        for name, (meaning, first_steps) in reasons.items():
            assert meaning, name
            assert first_steps or name in fine, name
