"""The tutorial's own code blocks, run in their order in an empty folder."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "docs" / "tutorials" / "serve-your-model.md"
_BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 280


@dataclass(frozen=True)
class Block:
    """
    A block of code.

    Args:
        section: the number of the section it stands in.
        title: the file that it is, where it is one.
    """

    section: int
    language: str
    title: str
    code: str


def blocks() -> list[Block]:
    """All blocks of the tutorial."""
    sections = re.split(r"^## (?=\d)", TUTORIAL.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [
        Block(int(section[0]), language, title, code)
        for section in sections[1:]
        for language, title, code in _BLOCK.findall(section)
    ]


def run(
    chosen: Sequence[Block], folder: Path, environment: Mapping[str, str], ports: Mapping[int, int]
) -> list[str]:
    """
    Run the shell's blocks among *chosen* in one shell, after writing those that are files.

    Args:
        chosen: in their order.
        folder: empty.
        environment: of the shell; this Python's programs are found first.
        ports: others in place of those that the tutorial has.

    Returns:
        What each block of the shell printed on standard output.
    """
    for block in chosen:
        if block.title:
            (folder / block.title).write_text(block.code, encoding="utf-8")
    shell = [block.code for block in chosen if block.language == "bash"]
    mark = "==== end of a block ===="
    script = "".join(f"{code}echo '{mark}'\n" for code in shell)
    for port, other in ports.items():
        script = script.replace(str(port), str(other))
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            f"trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n{script}",
        ],
        cwd=folder,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    printed = done.stdout.split(f"{mark}\n")[:-1]
    assert len(printed) == len(shell)
    return printed


def answers(chosen: Sequence[Block], printed: Sequence[str]) -> list[dict[str, Any]]:
    """What the blocks that ask for a prediction printed."""
    shell = [block for block in chosen if block.language == "bash"]
    return [
        json.loads(text[text.index('{"prediction"') :])  # other programs may print before it
        for block, text in zip(shell, printed, strict=True)
        if block.code.startswith("curl")
    ]
