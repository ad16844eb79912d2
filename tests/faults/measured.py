"""What the long campaigns measured, as a page of tables."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "faults.md"
_HEAD: Final = "# Fault campaigns\n\nWritten by `pytest --long-campaigns tests/faults`.\n"


def record(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Put a table under the heading *title*, in the place of the one that is there."""
    lines = [" | ".join(map(str, row)) for row in (columns, ["---"] * len(columns), *rows)]
    section = f"## {title}\n\n" + "".join(f"| {line} |\n" for line in lines)
    page = PAGE.read_text() if PAGE.exists() else _HEAD
    head, *sections = re.split(r"(?m)^(?=## )", page)
    others = [each.rstrip() for each in sections if not each.startswith(f"## {title}\n")]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text("\n\n".join([head.rstrip(), *sorted([*others, section.rstrip()])]) + "\n")
