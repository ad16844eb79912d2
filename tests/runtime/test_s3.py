"""Artifacts in a bucket of a real server that speaks S3."""

import dataclasses
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import boto3
import pytest
import trustme
from botocore.config import Config

from modelserver_runtime.errors import DigestMismatch, FetchFailed, LoadError, SourceTooLarge
from modelserver_runtime.fetching import fetch
from modelserver_runtime.fetching.credentials import S3Credentials
from modelserver_runtime.fetching.s3 import S3Source
from modelserver_runtime.fetching.transfer import Deadline, Transfer
from runtime.archive_make import ARTIFACT, DIGEST, tar, with_flipped_byte, zipped
from runtime.programs import free_port, program, started
from runtime.test_archives import contents

pytestmark = pytest.mark.programs

BUCKET = "models"
REGION = "eu-central-1"
WRONG = "a-secret-of-somebody"
KEY = S3Credentials("an-access-key", "a-secret-of-ours")


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials that lie around here, and no question to a cloud about some."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


@dataclasses.dataclass(frozen=True)
class Store:
    """A server, and where it keeps its objects."""

    endpoint: str
    client: Any

    def put(self, files: Mapping[str, bytes], below: str) -> None:
        """Upload *files* under keys that begin with *below*."""
        for name, body in files.items():
            self.client.put_object(Bucket=BUCKET, Key=below + name, Body=body)

    def source(self, key: str, **more: Any) -> S3Source:
        """What `modelserver fetch` makes of a key."""
        given = {
            "endpoint": self.endpoint,
            "region": REGION,
            "path_style": True,
            "credentials": KEY,
        } | more
        return S3Source(given.pop("bucket", BUCKET), key, **given)


@contextmanager
def serving(folder: Path, *options: str, ca_file: Path | None = None) -> Iterator[Store]:
    """Run the server on a free port of this machine."""
    port = free_port()
    (folder / "data").mkdir()
    scheme = "http" if ca_file is None else "https"
    endpoint = f"{scheme}://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            return False

    command = [
        *(program("S3_SERVER"), "--port", f"127.0.0.1:{port}", "--region", REGION, "--quiet"),
        *(*options, "posix", str(folder / "data")),
    ]
    secrets = {
        "ROOT_ACCESS_KEY_ID": KEY.access_key_id,
        "ROOT_SECRET_ACCESS_KEY": KEY.secret_access_key,
    }
    with started(command, folder / "log", answers, **secrets):
        client = boto3.session.Session(KEY.access_key_id, KEY.secret_access_key).client(
            "s3",
            endpoint_url=endpoint,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}),
            verify=str(ca_file) if ca_file else None,
        )
        client.create_bucket(Bucket=BUCKET)
        yield Store(endpoint, client)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the artifact in it, as archives and as files."""
    with serving(tmp_path_factory.mktemp("store")) as found:
        archives = {"m.tar": tar(), "m.tar.gz": tar(kind="gz", below="m/"), "m.zip": zipped()}
        found.put(archives, "archives/")
        found.put(ARTIFACT, "good/1.0.0/")
        yield found


def fetched(source: S3Source, place: Path, max_bytes: int = 2**20) -> Path:
    """Fetch without waiting for anything."""
    into = place / "artifact"
    transfer = Transfer(max_bytes, Deadline(60, sleep=lambda _: None))
    fetch(source, into, digest=DIGEST, transfer=transfer)
    return into


@pytest.mark.parametrize(
    "key", ["archives/m.tar", "archives/m.tar.gz", "archives/m.zip", "good/1.0.0/"]
)
def test_an_archive_or_a_folder(store, tmp_path, key):
    """The same artifact in each."""
    assert contents(fetched(store.source(key), tmp_path)) == ARTIFACT
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


@pytest.mark.parametrize(
    ("key", "more", "says"),
    [
        pytest.param(
            "good/none.tar", {}, "NoSuchKey for good/none.tar: there is nothing", id="no such key"
        ),
        pytest.param("good/1.0.0", {}, "the key of a folder of files ends with", id="no slash"),
        pytest.param(
            "m", {"bucket": "none"}, "NoSuchBucket for m: there is no such", id="no bucket"
        ),
        pytest.param(
            "archives/m.tar",
            {"credentials": S3Credentials(KEY.access_key_id, WRONG)},
            "SignatureDoesNotMatch for archives/m.tar: the secret access key",
            id="another secret",
        ),
        pytest.param(
            "archives/m.tar",
            {"credentials": S3Credentials("nobody", WRONG)},
            "server answers (InvalidAccessKeyId|XAdminUserNotFound) for",
            id="another key",
        ),
        pytest.param(
            "archives/m.tar",
            {"credentials": None},
            "AccessDenied for archives/m.tar: it does not let us read it",
            id="no credentials",
        ),
    ],
)
def test_what_the_server_refuses(store, tmp_path, key, more, says):
    """Its own word, and what it means."""
    with pytest.raises(FetchFailed, match=says) as refused:
        fetched(store.source(key, **more), tmp_path)
    assert str(refused.value).startswith(f"s3://{more.get('bucket', BUCKET)}/{key}: ")
    assert WRONG not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "says"),
    [
        pytest.param(
            with_flipped_byte("model.skops"),
            "model.skops has sha256:[0-9a-f]{64}, but the manifest says sha256:[0-9a-f]{64}",
            id="a bit of the model",
        ),
        pytest.param(
            {**ARTIFACT, "manifest.json": ARTIFACT["manifest.json"] + b"\n"},
            f"has digest sha256:[0-9a-f]{{64}}, but {DIGEST} is pinned",
            id="another manifest",
        ),
        pytest.param(
            {**ARTIFACT, "model.skops": ARTIFACT["model.skops"] + b"x"},
            f"model.skops is longer than the {len(ARTIFACT['model.skops'])} bytes",
            id="a longer model",
        ),
    ],
)
def test_a_folder_that_is_not_as_pinned(store, tmp_path, request, files, says):
    """Both digests are named, and nothing gets where the model belongs."""
    below = f"{request.node.callspec.id.replace(' ', '-')}/"
    store.put(files, below)
    with pytest.raises(DigestMismatch, match=says):
        fetched(store.source(below), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_file(store, tmp_path):
    """It is in the manifest, and so it must be there."""
    store.put({n: body for n, body in ARTIFACT.items() if n != "model.skops"}, "less/")
    with pytest.raises(FetchFailed, match=r"answers NoSuchKey for less/model\.skops"):
        fetched(store.source("less/"), tmp_path)


def test_a_signature_is_brought_where_it_is_asked_for(store, tmp_path):
    """It is made after the manifest, and so stands in none."""
    files = {**ARTIFACT, "model.sig": b"{}"}
    store.put(files, "signed/")
    for signed, want in ((False, ARTIFACT), (True, files)):
        place = tmp_path / str(signed)
        place.mkdir()
        assert contents(fetched(store.source("signed/", signed=signed), place)) == want
    with pytest.raises(FetchFailed, match=r"NoSuchKey for good/1\.0\.0/model\.sig"):
        fetched(store.source("good/1.0.0/", signed=True), tmp_path)


@pytest.mark.parametrize("key", ["archives/m.tar", "good/1.0.0/"])
def test_more_than_may_be(store, tmp_path, key):
    """Known before it is fetched: by the server, or by the manifest."""
    enough = len(ARTIFACT["manifest.json"])
    with pytest.raises(SourceTooLarge, match=f"and may have {enough}"):
        fetched(store.source(key), tmp_path, max_bytes=enough)


def test_a_private_authority(tmp_path):
    """Is trusted where it is given, and only there."""
    authority = trustme.CA()
    pem, chain, key = (tmp_path / name for name in ("ca.pem", "chain.pem", "key.pem"))
    authority.cert_pem.write_to_path(pem)
    issued = authority.issue_cert("127.0.0.1")
    chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    volume = tmp_path / "volume"
    volume.mkdir()
    with serving(tmp_path, "--cert", str(chain), "--key", str(key), ca_file=pem) as store:
        store.put(ARTIFACT, "m/")
        with pytest.raises(FetchFailed, match="certificate of the server cannot be verified"):
            fetched(store.source("m/"), volume)
        assert contents(fetched(store.source("m/", ca_file=pem), volume)) == ARTIFACT


class CuttingProxy:
    """Passes bytes on to a server, and cuts each connection after *cuts* bytes of its answers."""

    def __init__(self, endpoint: str, cuts: list[int]) -> None:
        host, _, port = endpoint.removeprefix("http://").partition(":")
        self._server = (host, int(port))
        self._cuts = cuts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.passed = 0
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, socket.create_connection(self._server) as server:
                forward = threading.Thread(target=_pass_on, args=(client, server))
                forward.start()
                left = self._cuts.pop(0) if self._cuts else 2**30
                while left > 0 and (content := server.recv(min(left, 4096))):
                    client.sendall(content)
                    left -= len(content)
                    self.passed += len(content)
                for side in (client, server):
                    with suppress(OSError):  # it has gone already
                        side.shutdown(socket.SHUT_RDWR)
                forward.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # cut
        while content := source.recv(4096):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)


def test_what_broke_off_is_taken_up_where_it_was(store, tmp_path):
    """Twice; no more is sent in all than the archive and three answers' headers."""
    with CuttingProxy(store.endpoint, [len(tar()) // 2, len(tar()) // 4]) as proxy:
        through = dataclasses.replace(store, endpoint=proxy.endpoint)
        assert contents(fetched(through.source("archives/m.tar"), tmp_path)) == ARTIFACT
        assert proxy.passed < len(tar()) + 3 * 1500


def test_nobody_listens(tmp_path):
    """A sentence that is the same for all pods."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    source = S3Source(BUCKET, "m/", endpoint=nowhere, path_style=True, credentials=KEY)
    with pytest.raises(LoadError) as failed:
        fetched(source, tmp_path)
    assert str(failed.value) == (
        "s3://models/m/: no connection to the server, or its name is not known"
    )
