"""Writes what the long campaigns measured into `docs/measurements/faults.md`."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "faults.md"
_TITLE: Final = "# Faults\n\nWritten by `pytest tests/faults --long-campaigns`.\n"


def write(section: str, lines: Iterable[str]) -> None:
    """Put a section in place of the one of that name."""
    text = PAGE.read_text() if PAGE.exists() else _TITLE
    new = f"\n## {section}\n\n" + "\n".join(lines) + "\n"
    old = re.compile(rf"\n## {re.escape(section)}\n.*?(?=\n## |\Z)", re.DOTALL)
    text = old.sub(lambda _: new, text) if old.search(text) else text + new
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text)


def spread(seconds: Sequence[float]) -> str:
    """Say how many there were, and how long they took."""
    if not seconds:
        return "none"
    low, middle, high = min(seconds), median(seconds), max(seconds)
    return f"{len(seconds)}, min {low:.1f} s, median {middle:.1f} s, max {high:.1f} s"
