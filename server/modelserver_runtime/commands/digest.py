"""`modelserver digest`: the artifact's digest, as a ModelServer pins it."""

import typer

from modelserver_runtime.commands.folder import Folder, opened


def digest(folder: Folder) -> None:
    """
    Print the digest of an artifact.

    It is the SHA-256 of manifest.json, which has the hashes of all files; `verify` compares them.
    """
    typer.echo(opened(folder).digest)
