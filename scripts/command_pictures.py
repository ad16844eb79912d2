"""Pictures of what the `modelserver` command prints, as a terminal would show it."""

import io
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, RenderableType

from modelserver_runtime.commands import inspect, verify
from modelserver_runtime.commands.folder import opened
from modelserver_runtime.commands.loaded import settings_for
from modelserver_runtime.commands.terminal import quiet_logs

WIDTH: Final = 96


def command_pictures(artifact: Path, shown_as: str) -> dict[str, str]:
    """Run inspect and verify on *artifact*, which is called *shown_as*; give an SVG for each."""
    with quiet_logs():
        found = opened(artifact)
        settings = settings_for(artifact, model_digest=found.digest)
        report = verify.verified(settings)
        described = inspect.picture(found, inspect.engine_of(found))
    checked = f'verify {shown_as} --digest "$(modelserver digest {shown_as})"'
    return {
        "inspect.svg": _picture(f"inspect {shown_as}", described),
        "verify.svg": _picture(checked, verify.picture(report)),
    }


def _picture(command: str, printed: RenderableType) -> str:
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        highlight=False,
        markup=False,
        _environ={},
    )
    console.print(f"$ modelserver {command}")
    console.print(printed)
    name = command.partition(" ")[0]
    svg = console.export_svg(
        title="modelserver", unique_id=f"modelserver-{name}", code_format=_without_web_fonts()
    )
    return svg.rstrip() + "\n"


def _without_web_fonts() -> str:
    """Take the frame of rich, in a font that every reader has: a picture must load nothing."""
    before, _, rest = CONSOLE_SVG_FORMAT.partition("    @font-face {{")
    _, _, after = rest.rpartition("@font-face {{")[2].partition("}}\n")
    return (before + after).replace("Fira Code", "ui-monospace, Menlo, Consolas")
