"""`modelserver fetch`: what the init container of a pod runs before its model is served."""

import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple
from urllib.parse import urlsplit

import typer

from modelserver_runtime import last_words, logs
from modelserver_runtime.commands.exit_codes import EXIT_CODES, exit_code
from modelserver_runtime.errors import FetchFailed, LoadError, SettingError
from modelserver_runtime.settings import Settings, names_of
from modelserver_runtime.watchdog import watchdog

if TYPE_CHECKING:
    from modelserver_runtime.fetching import Source
    from modelserver_runtime.fetching.transfer import Guard

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_TOO_LATE: Final = FetchFailed.__name__
_NO_SOURCE: Final = "{} is neither http(s)://HOST/PATH nor s3://BUCKET/KEY"
DEFAULT_MAX_BYTES: Final = 1024 * 1024 * 1024
DEFAULT_TIMEOUT_SECONDS: Final = 300


class _InBucket(NamedTuple):
    """What only a bucket needs."""

    endpoint: str | None
    region: str | None
    path_style: bool
    signed: bool


def fetch(  # noqa: PLR0913 - each is an option of its own
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="http:// or https:// and the address of an archive (tar, tar.gz or zip); or"
            " s3://BUCKET/KEY of an archive, with a slash at the end for a folder of files.",
        ),
    ],
    into: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the artifact goes; made if need be.")
    ],
    digest: Annotated[str, typer.Option(help="The digest it must have, sha256:….")],
    max_bytes: Annotated[
        int, typer.Option(min=1, help="Bytes that are fetched at most, and that it unpacks to.")
    ] = DEFAULT_MAX_BYTES,
    timeout_seconds: Annotated[
        int, typer.Option(min=1, help="How long it may take in all, with everything tried again.")
    ] = DEFAULT_TIMEOUT_SECONDS,
    ca_file: Annotated[
        Path | None, typer.Option(help="Authorities to trust instead of the system's.")
    ] = None,
    credentials: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder with the files token, or username and password; for S3"
            " AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and perhaps AWS_SESSION_TOKEN.",
        ),
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="URL of an S3 that is not AWS.")] = None,
    region: Annotated[str | None, typer.Option(help="Region of the bucket.")] = None,
    path_style: Annotated[  # noqa: FBT002 - typer's way to declare a flag
        bool, typer.Option("--path-style", help="Name the bucket in the path, not in the host.")
    ] = False,
    signed: Annotated[  # noqa: FBT002 - the same
        bool,
        typer.Option("--signed", help="From a folder of a bucket, fetch the signature as well."),
    ] = False,
) -> None:
    """
    Fetch an artifact, verify it, and only then put it where it belongs.

    What fails for a while is tried again, and taken up where it broke off.
    """
    logs.configure(Settings())
    (variable,) = names_of("termination_log")
    termination_log = os.environ.get(variable)
    try:
        # Imported here: botocore takes a third of a second, and other commands need none of it.
        from modelserver_runtime import fetching  # noqa: PLC0415
        from modelserver_runtime.fetching.transfer import Deadline, Transfer  # noqa: PLC0415

        found = _source(
            source, ca_file, credentials, _InBucket(endpoint, region, path_style, signed)
        )
        guard = _guard(found, timeout_seconds, termination_log)
        transfer = Transfer(max_bytes, Deadline(timeout_seconds), guard=guard)
        fetching.fetch(found, into, digest=_checked(digest), transfer=transfer)
    except (LoadError, SettingError) as error:
        if not termination_log:
            raise  # nobody but the person who typed it wants to know
        reason = error.reason if isinstance(error, LoadError) else "InvalidSetting"
        last_words.say_why(reason, str(error), termination_log)
        raise typer.Exit(exit_code(error)) from error


def _guard(source: "Source", timeout_seconds: int, termination_log: str | None) -> "Guard":
    """What ends this process, in words that it would have said itself."""
    why = f"{source.name}: not fetched within {timeout_seconds} seconds"
    words = f"modelserver: {_TOO_LATE}: {why}"
    if termination_log:
        words = last_words.line(_TOO_LATE, why)
    return partial(
        watchdog,
        exit_code=EXIT_CODES[_TOO_LATE],
        last_words=f"{words}\n",
        log=Path(termination_log) if termination_log else None,
    )


def _checked(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise SettingError(f"{digest} is no digest: write sha256: and 64 hex digits")
    return digest


def _source(
    address: str,
    ca_file: Path | None,
    credentials: Path | None,
    s3: _InBucket,
) -> "Source":
    """
    Understand *address*.

    Raises:
        SettingError: it is none, or the credentials are none.
    """
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise SettingError(_NO_SOURCE.format(address)) from error
    if parts.scheme in ("http", "https") and parts.hostname:
        from modelserver_runtime.fetching.credentials import HttpCredentials  # noqa: PLC0415
        from modelserver_runtime.fetching.http import HttpSource  # noqa: PLC0415

        known = HttpCredentials.read(credentials) if credentials is not None else None
        return HttpSource(address, ca_file=ca_file, credentials=known)
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if parts.scheme != "s3" or not bucket or not key:
        raise SettingError(_NO_SOURCE.format(address))
    from modelserver_runtime.fetching.credentials import S3Credentials  # noqa: PLC0415
    from modelserver_runtime.fetching.s3 import S3Source  # noqa: PLC0415

    return S3Source(
        bucket,
        key,
        endpoint=s3.endpoint,
        region=s3.region,
        path_style=s3.path_style,
        signed=s3.signed,
        ca_file=ca_file,
        credentials=S3Credentials.read(credentials) if credentials is not None else None,
    )
