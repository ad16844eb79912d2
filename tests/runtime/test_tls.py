"""The port speaks TLS with a certificate that is taken up anew when it is replaced."""

import json
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from runtime.process import Process, running


def write_pair(folder: Path, authority: trustme.CA) -> bytes:
    """Issue a certificate for 127.0.0.1 into *folder*; return it, as PEM."""
    issued = authority.issue_cert("127.0.0.1", "localhost")
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    for name, content in (("tls.crt", chain), ("tls.key", issued.private_key_pem.bytes())):
        (folder / f"{name}.new").write_bytes(content)
        (folder / f"{name}.new").rename(folder / name)
    return issued.cert_chain_pems[0].bytes()


def settings(folder: Path) -> dict[str, str]:
    """What a pod with the Secret mounted in *folder* is told."""
    return {"tls_cert_file": str(folder / "tls.crt"), "tls_key_file": str(folder / "tls.key")}


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context that believes *authority* only."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def presented(process: Process) -> bytes:
    """The certificate that a new connection is shown, as PEM."""
    address = urlsplit(process.url())
    shown = ssl.get_server_certificate((address.hostname or "", address.port or 0))
    return shown.encode()


def wait_listening(process: Process, authority: trustme.CA) -> str:
    """The URL, once /ready says yes."""
    url = process.url()
    assert url.startswith("https://")
    verify = trusting(authority)
    process.wait_until(lambda: httpx.get(f"{url}/ready", verify=verify).status_code == 200)
    return url


def test_requests_are_answered_over_tls_and_not_without(
    tmp_path: Path, row: dict[str, float]
) -> None:
    """A verified certificate, TLS 1.2 or newer; plain HTTP gets no answer; the pair is reloaded."""
    authority = trustme.CA()
    first = write_pair(tmp_path, authority)
    with running(**settings(tmp_path)) as process:
        url = wait_listening(process, authority)
        with httpx.Client(verify=trusting(authority)) as kept:
            assert kept.post(f"{url}/predict", json=row).status_code == 200
            assert _same(presented(process), first)
            with pytest.raises(httpx.TransportError):
                httpx.get(url.replace("https", "http") + "/health")
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{url}/health")  # the system does not know our authority

            second = write_pair(tmp_path, authority)
            _eventually_presents(process, second)
            assert kept.post(f"{url}/predict", json=row).status_code == 200

        (tmp_path / "tls.key").write_text("no key")
        time.sleep(1.5)
        assert _same(presented(process), second)
        assert any("certificate not reloaded" in line for line in process.stderr)


def test_old_versions_of_tls_are_refused(tmp_path: Path) -> None:
    """1.1 and below are broken."""
    authority = trustme.CA()
    write_pair(tmp_path, authority)
    with running(**settings(tmp_path)) as process:
        wait_listening(process, authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="deprecated"):
            context.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="deprecated"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        address = urlsplit(process.url())
        with (
            socket.create_connection((address.hostname, address.port), timeout=8) as plain,
            pytest.raises(ssl.SSLError),
        ):
            context.wrap_socket(plain)


def test_a_pair_that_does_not_fit_ends_the_process(tmp_path: Path) -> None:
    """With 64, and the files named."""
    authority = trustme.CA()
    write_pair(tmp_path, authority)
    other = authority.issue_cert("127.0.0.1")
    (tmp_path / "tls.key").write_bytes(other.private_key_pem.bytes())
    with running(**settings(tmp_path)) as process:
        assert process.wait() == 64
        told = json.loads(process.stderr[-1])
        assert told["reason"] == "InvalidSetting"
        assert "tls.key" in told["message"]


def _eventually_presents(process: Process, certificate: bytes) -> None:
    ends = time.monotonic() + 5
    while not _same(presented(process), certificate):
        assert time.monotonic() < ends
        time.sleep(0.1)


def _same(one: bytes, other: bytes) -> bool:
    return ssl.PEM_cert_to_DER_cert(one.decode()) == ssl.PEM_cert_to_DER_cert(other.decode())
