"""The artifact's folder as an argument."""

from pathlib import Path
from typing import Annotated

import typer

from modelserver_runtime.artifact import MANIFEST, Artifact, open_artifact
from modelserver_runtime.errors import ModelNotFound

Folder = Annotated[Path, typer.Argument(help="Folder of the artifact.", metavar="FOLDER")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]


def opened(folder: Path, *, pinned: str | None = None) -> Artifact:
    """
    Open the artifact in *folder*.

    Raises:
        LoadError: there is none, or another than the one pinned; the sentence says what to do.
    """
    if not folder.exists():
        raise ModelNotFound(f"{folder} does not exist")
    if not folder.is_dir():
        raise ModelNotFound(f"{folder} is a file: name the folder of the artifact")
    if not (folder / MANIFEST).exists():
        raise ModelNotFound(
            f"{folder} has no {MANIFEST}, so it is no artifact: make one with "
            "`modelserver pack MODEL -o FOLDER`"
        )
    return open_artifact(folder, pinned=pinned)
