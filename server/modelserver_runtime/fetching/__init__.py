"""
Brings an artifact from where it is into a folder that does not hold it before it is verified.

* `http`      an archive behind a URL
* `s3`        an archive, or the files of an artifact, in a bucket
* `transfer`  one file over a network that fails, within bytes and time
* `archives`  what comes out of an archive, and what must not
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import structlog

from modelserver_runtime.artifact import Artifact, open_artifact
from modelserver_runtime.errors import FetchFailed, LoadError
from modelserver_runtime.fetching.transfer import Transfer

log = structlog.get_logger()


class Source(Protocol):
    """Where an artifact is."""

    @property
    def name(self) -> str:
        """What people are told of it: an address without anything secret."""

    def bring(self, folder: Path, digest: str, transfer: Transfer) -> Path:
        """
        Put the artifact's files below *folder*, which is empty; return the folder they are in.

        Raises:
            LoadError: with a sentence that does not name the source.
        """


def fetch(source: Source, into: Path, *, digest: str, transfer: Transfer) -> Artifact:
    """
    Bring the artifact with *digest* from *source*; *into* has all of it, or does not exist.

    What is there already is verified and kept: a container that is started again fetches nothing.

    Args:
        source: where it is.
        into: a folder that is empty or does not exist; its parent must be writable.
        digest: the digest it must have (`sha256:…`).
        transfer: how much and how long.

    Raises:
        LoadError: the sentence begins with the source's name.
    """
    if into.is_dir() and any(into.iterdir()):
        artifact = verified(into, digest)
        log.info("already there", folder=str(into), digest=digest)
        return artifact
    try:
        with _workplace(into) as place:
            found = source.bring(place, digest, transfer)
            artifact = verified(found, digest)
            found.rename(into)
    except LoadError as error:
        raise type(error)(f"{source.name}: {error}") from error
    except OSError as error:
        raise FetchFailed(
            f"{source.name}: {into} cannot be written: {error.strerror or error}"
        ) from error
    log.info("verified", folder=str(into), digest=digest, model=artifact.manifest.name)
    return Artifact(into, artifact.manifest, artifact.digest)


def verified(folder: Path, digest: str) -> Artifact:
    """
    Open the artifact in *folder*, and compare every file with what is pinned.

    Raises:
        LoadError.
    """
    artifact = open_artifact(folder, pinned=digest)
    artifact.verify_files()
    return artifact


@contextmanager
def _workplace(into: Path) -> Iterator[Path]:
    """Beside *into*, so that the artifact gets there by being renamed; nothing of it is left."""
    place = into.parent / f".{into.name}.incoming"
    shutil.rmtree(place, ignore_errors=True)  # of a fetch that was killed
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
