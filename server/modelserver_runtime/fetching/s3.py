"""An archive, or the files of an artifact, in a bucket of S3 or of what speaks its protocol."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    SSLError,
)

from modelserver_runtime.artifact import MANIFEST, MAX_MANIFEST_BYTES, open_artifact
from modelserver_runtime.errors import (
    DigestMismatch,
    FetchFailed,
    SettingError,
    SourceTooLarge,
)
from modelserver_runtime.fetching.archives import unpack
from modelserver_runtime.fetching.credentials import S3Credentials
from modelserver_runtime.fetching.transfer import Interrupted, Part, Transfer
from modelserver_runtime.signature_check import MAX_SIGNATURE_BYTES, SIGNATURE

_CONNECT_SECONDS: Final = 10
_READ_SECONDS: Final = 30
_CHUNK_BYTES: Final = 16 * 1024  # is waited for as a whole, so the deadline is looked at no oftener
_DEFAULT_REGION: Final = "us-east-1"  # signatures need one; most servers that are not AWS ignore it
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHANGED: Final = frozenset({412, 416})
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,19})-\d{1,19}/(\d{1,19})", re.ASCII)
_MEANINGS: Final = {
    "NoSuchKey": "there is nothing; the key of a folder of files ends with a slash",
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "it does not let us read it",
    "InvalidAccessKeyId": "it does not know the access key",
    "SignatureDoesNotMatch": "the secret access key, or the region, is another",
    "ExpiredToken": "the session of the credentials has ended",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
}


class S3Source:
    """
    Objects in a bucket.

    Args:
        bucket: its name.
        key: of an archive; or what the keys of the artifact's files begin with, ending with a
            slash.
        endpoint: URL of the server, None for AWS.
        region: of the bucket.
        path_style: name the bucket in the path instead of in the host.
        ca_file: authorities to trust instead of the system's.
        credentials: None takes those of the pod's identity, or asks without any.
        signed: bring the signature of a folder of files, too, which stands in no manifest.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        bucket: str,
        key: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        path_style: bool = False,
        ca_file: Path | None = None,
        credentials: S3Credentials | None = None,
        signed: bool = False,
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._signed = signed
        session = _session(credentials)
        config = Config(
            region_name=region or session.region_name or _DEFAULT_REGION,
            signature_version=UNSIGNED if session.get_credentials() is None else None,
            s3={"addressing_style": "path" if path_style else "auto"},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": 1},  # `Transfer` tries again, from where it broke off
            # The digest is compared in any case, and not every server knows S3's checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        try:
            self._client: Any = session.client(
                "s3", endpoint_url=endpoint, verify=str(ca_file) if ca_file else None, config=config
            )
        except (ValueError, BotoCoreError) as error:
            raise SettingError(f"{endpoint} cannot be asked: {error}") from error

    @property
    def name(self) -> str:
        """Bucket and key."""
        return f"s3://{self._bucket}/{self._key}"

    def bring(self, folder: Path, digest: str, transfer: Transfer) -> Path:
        """Fetch the archive and unpack it, or fetch the files."""
        if self._key.endswith("/"):
            return self._bring_files(folder / "files", digest, transfer)
        archive = folder / "archive"
        transfer.receive(self._opener(self._key), archive)
        transfer.progress.end()
        return unpack(archive, folder / "unpacked", max_bytes=transfer.max_bytes)

    def _bring_files(self, folder: Path, digest: str, transfer: Transfer) -> Path:
        """
        Fetch the manifest, and then what is in it.

        Nothing is listed, so the right to read objects is enough; and what is not in a manifest
        that has the digest is not fetched.
        """
        folder.mkdir()
        size = transfer.receive(
            self._opener(self._key + MANIFEST), folder / MANIFEST, limit=MAX_MANIFEST_BYTES
        )
        files = open_artifact(folder, pinned=digest).manifest.files
        total = size + sum(file.size for file in files)
        if total > transfer.max_bytes:
            raise SourceTooLarge(f"it has {total} bytes, and may have {transfer.max_bytes}")
        transfer.progress.total = total
        for file in files:
            try:
                target = folder / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                transfer.receive(self._opener(self._key + file.path), target, limit=file.size)
            except SourceTooLarge as error:
                raise DigestMismatch(
                    f"{file.path} is longer than the {file.size} bytes it should have"
                ) from error
        if self._signed:
            opener = self._opener(self._key + SIGNATURE)
            transfer.receive(opener, folder / SIGNATURE, limit=MAX_SIGNATURE_BYTES)
        transfer.progress.end()
        return folder

    def _opener(self, key: str) -> Any:
        @contextmanager
        def opened(offset: int, version: str | None) -> Iterator[Part]:
            given = {"Range": f"bytes={offset}-", "IfMatch": version} if offset and version else {}
            with _named(key):
                answer = self._client.get_object(Bucket=self._bucket, Key=key, **given)
            body = answer["Body"]
            try:
                yield _part(answer, offset if given else 0, key)
            finally:
                body.close()

        return opened


def _session(credentials: S3Credentials | None) -> Any:
    if credentials is None:
        return boto3.session.Session()
    return boto3.session.Session(
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
    )


def _part(answer: Any, offset: int, key: str) -> Part:
    total = answer.get("ContentLength")
    if offset:
        found = _CONTENT_RANGE.fullmatch(answer.get("ContentRange", ""))
        if found is None or int(found[1]) != offset:
            raise Interrupted("it answers with another part than was asked for", start_over=True)
        total = int(found[2])
    return Part(offset, total, answer.get("ETag"), _chunks(answer["Body"], key))


def _chunks(body: Any, key: str) -> Iterator[bytes]:
    with _named(key):
        while chunk := body.read(_CHUNK_BYTES):
            yield chunk


@contextmanager
def _named(key: str) -> Iterator[None]:
    """Say what the server or the network did in words that are the same the next time."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, key) from error
    except SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            raise Interrupted("TLS with the server failed") from error
        raise FetchFailed("the certificate of the server cannot be verified") from error
    except EndpointConnectionError as error:
        raise Interrupted("no connection to the server, or its name is not known") from error
    except (ConnectionClosedError, IncompleteReadError, ResponseStreamingError) as error:
        raise Interrupted("the connection to the server broke") from error
    except HTTPClientError as error:  # timeouts among them
        raise Interrupted("the server does not answer in time") from error
    except BotoCoreError as error:
        raise FetchFailed(f"it cannot be asked for: {error}") from error


def _of_answer(error: ClientError, key: str) -> Exception:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "")
    if status in _CHANGED:
        return Interrupted("it has changed meanwhile", start_over=True)
    if status in _PASSING:
        return Interrupted(f"the server answers {status} {code}")
    meaning = _MEANINGS.get(code)
    what = f"the server answers {code or status} for {key}"
    return FetchFailed(what + (f": {meaning}" if meaning else ""))
