"""An artifact is brought over a network that fails, and is nowhere before it is verified."""

import base64
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from modelserver_runtime.errors import (
    DigestMismatch,
    FetchFailed,
    LoadError,
    ModelNotFound,
    SettingError,
    SourceTooLarge,
    UnsafeArchive,
)
from modelserver_runtime.fetching import fetch
from modelserver_runtime.fetching.credentials import HttpCredentials, S3Credentials
from modelserver_runtime.fetching.http import HttpSource
from modelserver_runtime.fetching.progress import Progress
from modelserver_runtime.fetching.transfer import Deadline, Transfer
from runtime.archive_make import ARTIFACT, DIGEST, tar, with_flipped_byte, zipped
from runtime.artifact_server import (
    Shelf,
    answers,
    breaks_after,
    drips,
    has_no_version,
    never_ends,
    redirects,
    serving,
)
from runtime.test_archives import contents

TOKEN = HttpCredentials("a-token-of-ours")


class Waits:
    """A clock that stands still but for what is waited, and notes it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.slept.append(seconds)
        self.now += seconds


def transfer(*, max_bytes: int = 2**20, waits: Waits | None = None) -> Transfer:
    """Build a transfer that waits for nobody."""
    waits = waits or Waits()
    return Transfer(max_bytes, Deadline(300, waits.clock, waits.sleep))


def fetched(shelf: Shelf, place: Path, path: str = "/m.tar", **more: object) -> Path:
    """Fetch what *shelf* has at *path*, into a folder of *place*."""
    given = {name: more.pop(name) for name in ("ca_file", "credentials") if name in more}
    into = place / "artifact"
    source = HttpSource(shelf.url + path, **given)  # type: ignore[arg-type]
    fetch(source, into, digest=DIGEST, transfer=transfer(**more))  # type: ignore[arg-type]
    return into


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The volume."""
    found = tmp_path / "volume"
    found.mkdir()
    return found


@pytest.mark.parametrize("content", [tar(), tar(kind="gz", below="m/"), zipped()])
def test_it_is_there_when_it_is_verified(place, content):
    """And nothing else is left."""
    with serving(m=content) as shelf:
        assert contents(fetched(shelf, place, "/m")) == ARTIFACT
    assert [path.name for path in place.iterdir()] == ["artifact"]


def test_what_broke_off_is_taken_up_where_it_was(place):
    """Two interruptions, and no byte is sent twice."""
    content = tar()
    with serving(m_tar=content) as shelf:
        shelf.tricks["/m.tar"] = [breaks_after(20_000), breaks_after(10_000)]
        assert contents(fetched(shelf, place)) == ARTIFACT
        ranges = [headers.get("range") for _, headers in shelf.asked]
        assert ranges == [None, "bytes=20000-", "bytes=30000-"]
        assert shelf.sent == len(content)


@pytest.mark.parametrize(
    "trick",
    [
        pytest.param([breaks_after(9000, ETag='W/"weak"')], id="a weak tag says nothing"),
        pytest.param([has_no_version], id="no version"),
        pytest.param([breaks_after(9000, ETag='"another"')], id="it has changed meanwhile"),
        pytest.param([breaks_after(9000), answers(416)], id="it has become shorter"),
        pytest.param(
            [breaks_after(9000), answers(206, b"x", Content_Range="bytes 5-5/6")],
            id="another part than was asked for",
        ),
        pytest.param(
            [breaks_after(9000), answers(206, b"x")], id="a part that does not say which it is"
        ),
    ],
)
def test_it_starts_over_where_it_cannot_be_taken_up(place, trick):
    """What has come is forgotten."""
    with serving(m_tar=tar()) as shelf:
        shelf.tricks["/m.tar"] = trick
        assert contents(fetched(shelf, place)) == ARTIFACT


def test_what_passes_is_waited_for_ever_longer(place):
    """Not for ever, and as long as the server asks if it asks."""
    waits = Waits()
    with serving(m_tar=tar()) as shelf:
        shelf.tricks["/m.tar"] = [answers(503), answers(429, Retry_After="7"), answers(500)]
        fetched(shelf, place, waits=waits)
    first, second, third = waits.slept
    assert 0.25 <= first <= 0.5
    assert second == 7
    assert 1 <= third <= 2


def test_after_six_failures_in_a_row_it_says_why(place):
    """The kubelet starts it again, and meanwhile a person can read what is wrong."""
    with serving(m_tar=tar()) as shelf:
        shelf.tricks["/m.tar"] = [answers(503)] * 6
        with pytest.raises(FetchFailed, match=r"^http://127\.0\.0\.1:\d+/m\.tar: it answers 503$"):
            fetched(shelf, place)
        assert len(shelf.asked) == 6
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "says"),
    [(404, "there is nothing"), (401, "credentials"), (403, "does not let us"), (400, "400")],
)
def test_what_does_not_pass_is_not_tried_again(place, status, says):
    """It is the same the next time."""
    with serving() as shelf:
        shelf.tricks["/m.tar"] = [answers(status)]
        with pytest.raises(FetchFailed, match=says):
            fetched(shelf, place)
        assert len(shelf.asked) == 1


def test_nobody_listens(place):
    """A sentence of ours, without the address of an object or the number of an attempt."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(FetchFailed) as failed:
            fetched(Shelf(f"http://127.0.0.1:{port}"), place)
    address = f"127.0.0.1:{port}"
    assert str(failed.value) == (
        f"http://{address}/m.tar: no connection to {address}: connection refused"
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(place, status):
    """To the same server or another."""
    with serving(m_tar=tar()) as shelf:
        shelf.tricks["/a"] = [redirects("b", status)]
        shelf.tricks["/b"] = [redirects(f"{shelf.url}/m.tar", status)]
        assert contents(fetched(shelf, place, "/a")) == ARTIFACT


def test_redirects_end(place):
    """After five."""
    with serving() as shelf:
        shelf.tricks["/a"] = [redirects("/a")] * 9
        with pytest.raises(FetchFailed, match="redirects more than 5 times"):
            fetched(shelf, place, "/a")
        assert len(shelf.asked) == 6


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/m", "file:///etc/passwd", "javascript:1"])
def test_redirects_to_something_else_are_refused(place, target):
    """Whatever it is."""
    with serving() as shelf:
        shelf.tricks["/m.tar"] = [redirects(target)]
        with pytest.raises(FetchFailed, match="which is not HTTP"):
            fetched(shelf, place)


@pytest.mark.parametrize(
    "target", ["http://[", "http://[::1", "http://127.0.0.1:99999/", "http://:80/", "http://a b/"]
)
def test_redirects_to_no_address_are_refused(place, target):
    """Also with credentials, for which hosts are compared."""
    for credentials in (None, TOKEN):
        with serving() as shelf:
            shelf.tricks["/m.tar"] = [redirects(target)]
            with pytest.raises(FetchFailed, match=r"no address|not known|no connection"):
                fetched(shelf, place, credentials=credentials)


def test_credentials_stay_with_the_host_they_are_for(place):
    """A redirect to another, be it another port of the same machine, goes without them."""
    with serving(m_tar=tar()) as other, serving() as shelf:
        shelf.tricks["/a"] = [redirects("/b")]
        shelf.tricks["/b"] = [redirects(f"{other.url}/m.tar")]
        fetched(shelf, place, "/a", credentials=TOKEN)
        sent = [headers.get("authorization") for _, headers in shelf.asked]
        assert sent == ["Bearer a-token-of-ours"] * 2
        assert [headers.get("authorization") for _, headers in other.asked] == [None]


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        pytest.param({"token": "t0ken\n"}, "Bearer t0ken", id="a token"),
        pytest.param(
            {"username": "ada", "password": "p:ä"},
            "Basic " + base64.b64encode("ada:p:ä".encode()).decode(),
            id="name and password",
        ),
    ],
)
def test_credentials_are_files_of_a_secret(tmp_path, keys, header):
    """As the kubelet mounts them; a line end of an editor is not part of them."""
    for name, value in keys.items():
        (tmp_path / name).write_text(value)
    assert HttpCredentials.read(tmp_path).authorization() == header


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        pytest.param({}, "neither token nor username and password", id="none"),
        pytest.param({"username": "ada"}, "neither token nor", id="half"),
        pytest.param({"token": "  \n"}, "neither token nor", id="empty"),
        pytest.param({"token": "a\r\nX: y"}, "is no credential", id="more than one line"),
        pytest.param({"token": "x" * 20_000}, "is no credential", id="too long"),
        pytest.param({"token": "tök€n"}, "is no credential", id="more than a header can hold"),
    ],
)
def test_credentials_that_are_none(tmp_path, keys, says):
    """Named by the file, never by what is in it."""
    for name, value in keys.items():
        (tmp_path / name).write_text(value)
    with pytest.raises(SettingError, match=says) as refused:
        HttpCredentials.read(tmp_path)
    assert not any(value.strip() in str(refused.value) for value in keys.values() if value.strip())


def test_an_access_key_has_two_halves(tmp_path):
    """And perhaps the token of a session."""
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("key")
    with pytest.raises(SettingError, match="has not both"):
        S3Credentials.read(tmp_path)
    (tmp_path / "AWS_SECRET_ACCESS_KEY").write_text("secret")
    assert S3Credentials.read(tmp_path) == S3Credentials("key", "secret")
    (tmp_path / "AWS_SESSION_TOKEN").write_text("token")
    assert S3Credentials.read(tmp_path) == S3Credentials("key", "secret", "token")


def test_more_than_may_be_is_refused_before_it_comes(place):
    """The server says how much it is."""
    with (
        serving(m_tar=tar()) as shelf,
        pytest.raises(SourceTooLarge, match="and may have 1000"),
    ):
        fetched(shelf, place, max_bytes=1000)
    assert list(place.iterdir()) == []


def test_more_than_may_be_is_refused_while_it_comes(place):
    """Where nobody says how much it is."""
    with serving() as shelf:
        shelf.tricks["/m.tar"] = [never_ends]
        with pytest.raises(SourceTooLarge, match="more than the 100000 bytes"):
            fetched(shelf, place, max_bytes=100_000)


def test_what_it_unpacks_to_counts_as_well(place):
    """A small archive may be a large model."""
    with (
        serving(m_tar=tar({"a": bytes(2**20)}, kind="gz")) as shelf,
        pytest.raises(SourceTooLarge, match="unpacks to more than the 100000 bytes"),
    ):
        fetched(shelf, place, max_bytes=100_000)


def test_a_server_that_drips_does_not_outlast_the_deadline(place):
    """Bytes keep coming, each within its own time."""
    with serving(m_tar=tar()) as shelf:
        shelf.tricks["/m.tar"] = [drips(0.05)]
        limits = Transfer(2**20, Deadline(0.5))
        with pytest.raises(FetchFailed, match=r"not fetched within 0\.5 seconds"):
            fetch(HttpSource(f"{shelf.url}/m.tar"), place / "a", digest=DIGEST, transfer=limits)


@pytest.mark.parametrize(
    ("content", "reason", "says"),
    [
        pytest.param(
            tar({**ARTIFACT, "manifest.json": ARTIFACT["manifest.json"] + b" "}),
            DigestMismatch,
            f"has digest sha256:[0-9a-f]{{64}}, but {DIGEST} is pinned",
            id="another manifest",
        ),
        *(
            pytest.param(
                tar(with_flipped_byte(name)),
                DigestMismatch,
                f"{name} has sha256:[0-9a-f]{{64}}, but the manifest says sha256:[0-9a-f]{{64}}",
                id=f"a bit of {name}",
            )
            for name in sorted(ARTIFACT.keys() - {"manifest.json"})
        ),
        pytest.param(
            tar({name: body for name, body in ARTIFACT.items() if name != "model.skops"}),
            ModelNotFound,
            "model.skops does not exist",
            id="a file is missing",
        ),
        pytest.param(tar({"a": b"x"}), ModelNotFound, "manifest.json does not exist", id="none"),
        pytest.param(b"<html>", UnsafeArchive, "it is no archive", id="no archive"),
    ],
)
def test_what_is_not_as_pinned_gets_nowhere(place, content, reason, says):
    """The folder does not come into being, and both digests are named."""
    with serving(m_tar=content) as shelf:
        with pytest.raises(LoadError, match=says) as refused:
            fetched(shelf, place)
        assert type(refused.value) is reason
        assert str(refused.value).startswith(f"{shelf.url}/m.tar: ")
    assert list(place.iterdir()) == []


def test_what_is_there_already_is_not_fetched_again(place):
    """A container that is started anew finds it, whatever the source has by now."""
    with serving(m_tar=tar()) as shelf:
        fetched(shelf, place)
        shelf.files["/m.tar"] = b"something else"
        assert contents(fetched(shelf, place)) == ARTIFACT
        assert len(shelf.asked) == 1


def test_what_is_there_and_is_something_else_is_left_alone(place):
    """It may be somebody's."""
    (place / "artifact").mkdir()
    (place / "artifact" / "manifest.json").write_text("{}")
    with serving(m_tar=tar()) as shelf:
        with pytest.raises(DigestMismatch):
            fetched(shelf, place)
        assert shelf.asked == []


def test_what_a_killed_fetch_left_is_taken_away(place):
    """It counts against the volume's limit."""
    (place / ".artifact.incoming").mkdir()
    (place / ".artifact.incoming" / "archive").write_bytes(b"x")
    with serving(m_tar=tar()) as shelf:
        fetched(shelf, place)
    assert [path.name for path in place.iterdir()] == ["artifact"]


def test_a_volume_that_is_full_or_not_ours(place):
    """The operating system's words."""
    (place / ".artifact.incoming").write_text("a file where our folder should be")
    with (
        serving(m_tar=tar()) as shelf,
        pytest.raises(FetchFailed, match="cannot be written: File exists"),
    ):
        fetched(shelf, place)


def test_what_a_url_asks_with_is_never_told(place):
    """A signed URL is a secret."""
    with serving(m_tar=tar()) as shelf:
        shelf.tricks["/m.tar"] = [answers(404)]
        with capture_logs() as logged, pytest.raises(FetchFailed) as failed:
            fetched(shelf, place, "/m.tar?X-Signature=s3cret")
        assert shelf.asked[0][0] == "/m.tar?X-Signature=s3cret"
    assert "s3cret" not in str(failed.value) + str(logged)


@pytest.fixture
def authority() -> trustme.CA:
    """Our own certificate authority."""
    return trustme.CA()


def tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    """What a server with a certificate for *name* speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_private_authority(place, authority):
    """Is trusted where it is given, and only there."""
    pem = place.parent / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    with serving(tls(authority), m_tar=tar()) as shelf:
        with pytest.raises(FetchFailed, match=r"failed: .*issuer certificate"):
            fetched(shelf, place)
        assert contents(fetched(shelf, place, ca_file=pem)) == ARTIFACT
    assert [path for path, _ in shelf.asked] == ["/m.tar"]


def test_a_certificate_for_another_name(place, authority):
    """The name that was asked for must stand in it."""
    pem = place.parent / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    with (
        serving(tls(authority, "example.com"), m_tar=tar()) as shelf,
        pytest.raises(FetchFailed, match="IP address mismatch"),
    ):
        fetched(shelf, place, ca_file=pem)


def test_a_server_that_speaks_no_tls(place):
    """Said in words, not by a number."""
    with serving(m_tar=tar()) as shelf:
        shelf.url = shelf.url.replace("http:", "https:")
        with pytest.raises(FetchFailed, match=r"TLS with .* failed: "):
            fetched(shelf, place)


def test_tls_that_breaks_off_is_taken_up_where_it_was(place, authority):
    """In the middle of a handshake as in the middle of the archive."""
    pem = place.parent / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    with serving(tls(authority), m_tar=tar()) as shelf:
        shelf.tricks["/m.tar"] = [breaks_after(20_000)]
        assert contents(fetched(shelf, place, ca_file=pem)) == ARTIFACT
        assert [headers.get("range") for _, headers in shelf.asked] == [None, "bytes=20000-"]


def test_a_handshake_that_breaks_off_is_tried_again(place):
    """A balancer whose servers are not there yet does that."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up() -> None:
            for _ in range(6):
                listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(FetchFailed, match=rf"the connection to 127\.0\.0\.1:{port} broke"):
            fetched(Shelf(f"https://127.0.0.1:{port}"), place)
        thread.join()


def test_an_authority_that_is_none(tmp_path):
    """The file is named."""
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(FetchFailed, match=r"ca\.pem holds no certificate"):
        HttpSource("https://127.0.0.1/", ca_file=tmp_path / "ca.pem")


def test_https_never_becomes_http(place, authority):
    """Anybody on the way could answer then."""
    pem = place.parent / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    with serving(m_tar=tar()) as plain, serving(tls(authority)) as shelf:
        shelf.tricks["/m.tar"] = [redirects(f"{plain.url}/m.tar?token=s3cret")]
        with pytest.raises(FetchFailed, match="anybody on the way") as refused:
            fetched(shelf, place, ca_file=pem)
        assert plain.asked == []
        assert "s3cret" not in str(refused.value)


def test_progress_is_told_once_a_second():
    """With how much, of how much, and how fast; and at the end."""
    waits = Waits()
    progress = Progress(waits.clock)
    progress.total = 1000
    with capture_logs() as logged:
        for _ in range(10):
            waits.now += 0.25
            progress.add(100)
        progress.end()
    assert [line["event"] for line in logged] == ["fetching", "fetching", "fetched"]
    assert logged[0] == {
        "event": "fetching",
        "log_level": "info",
        "bytes": 400,
        "total": 1000,
        "bytes_per_second": 400,
        "seconds": 1.0,
    }
    assert (logged[-1]["bytes"], logged[-1]["seconds"]) == (1000, 2.5)
