"""An archive behind a URL."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.response import BaseHTTPResponse

from modelserver_runtime.errors import FetchFailed
from modelserver_runtime.fetching.archives import unpack
from modelserver_runtime.fetching.credentials import HttpCredentials
from modelserver_runtime.fetching.transfer import CHUNK_BYTES, Interrupted, Part, Transfer

_MAX_REDIRECTS: Final = 5
_CONNECT_SECONDS: Final = 10.0
_READ_SECONDS: Final = 30.0
"""How long no byte may come."""

_OK: Final = 200
_PARTIAL: Final = 206
_RANGE_NOT_SATISFIABLE: Final = 416
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_MEANINGS: Final = {
    401: "it asks for credentials, or does not know these",
    403: "it does not let us read it",
    404: "there is nothing",
    410: "there is nothing any more",
}
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,19})-\d{1,19}/(\d{1,19}|\*)", re.ASCII)


class HttpSource:
    """
    An archive behind a URL.

    Args:
        url: http or https.
        ca_file: authorities to trust instead of the system's.
        credentials: sent to the host of *url* alone, whatever it redirects to.
    """

    def __init__(
        self, url: str, *, ca_file: Path | None = None, credentials: HttpCredentials | None = None
    ) -> None:
        self._url = url
        self._authorization = credentials.authorization() if credentials is not None else None
        self._pool = urllib3.PoolManager(ssl_context=_trusting(ca_file))

    @property
    def name(self) -> str:
        """The URL without its query, which may be a signature."""
        return _plain(self._url)

    def bring(self, folder: Path, digest: str, transfer: Transfer) -> Path:
        """Fetch the archive and unpack it; the caller compares the digest."""
        del digest
        archive = folder / "archive"
        transfer.receive(lambda offset, version: self._opened(offset, version, transfer), archive)
        transfer.progress.end()
        return unpack(archive, folder / "unpacked", max_bytes=transfer.max_bytes)

    @contextmanager
    def _opened(self, offset: int, version: str | None, transfer: Transfer) -> Iterator[Part]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "modelserver"}
        if offset and version is not None:
            headers |= {"Range": f"bytes={offset}-", "If-Range": version}
        response = self._followed(headers, transfer)
        try:
            yield _part(response, offset)
        finally:
            response.close()

    def _followed(self, headers: dict[str, str], transfer: Transfer) -> BaseHTTPResponse:
        url = self._url
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._answer(url, headers, transfer)
            location = response.headers.get("Location", "")
            if response.status not in _REDIRECTS or not location:
                return response
            response.close()
            url = _redirected(url, location)
        raise FetchFailed(f"it redirects more than {_MAX_REDIRECTS} times")

    def _answer(self, url: str, headers: dict[str, str], transfer: Transfer) -> BaseHTTPResponse:
        if self._authorization is not None and _origin(url) == _origin(self._url):
            headers = {**headers, "Authorization": self._authorization}
        left = transfer.deadline.left()
        timeout = urllib3.Timeout(
            connect=min(_CONNECT_SECONDS, left), read=min(_READ_SECONDS, left)
        )
        with _named(url):
            return self._pool.request(
                "GET",
                url,
                headers=headers,
                timeout=timeout,
                preload_content=False,
                redirect=False,
                retries=False,
            )


def _part(response: BaseHTTPResponse, offset: int) -> Part:
    status, headers = response.status, response.headers
    if status == _RANGE_NOT_SATISFIABLE:
        raise Interrupted("it has fewer bytes than before", start_over=True)
    if status in _PASSING:
        pause = headers.get("Retry-After", "")
        seconds = float(pause) if re.fullmatch(r"[0-9]{1,6}", pause, re.ASCII) else 0.0
        raise Interrupted(f"it answers {status}", pause_seconds=seconds)
    if status not in (_OK, _PARTIAL):
        meaning = _MEANINGS.get(status)
        raise FetchFailed(f"it answers {status}" + (f": {meaning}" if meaning else ""))
    start, total = 0, _number(headers.get("Content-Length"))
    if status == _PARTIAL:
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if found is None or int(found[1]) != offset:
            raise Interrupted("it answers with another part than was asked for", start_over=True)
        start, total = offset, _number(found[2])
    return Part(start, total, _version(response), _chunks(response))


def _chunks(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Give what comes when it comes: a source that drips must not outlast the deadline."""
    with _named(response.url or ""):
        while chunk := response.read1(CHUNK_BYTES, decode_content=False):
            yield chunk


def _version(response: BaseHTTPResponse) -> str | None:
    """What If-Range may hold: a strong validator."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,19}", text, re.ASCII) else None


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError as error:
        raise FetchFailed("it redirects to what is no address") from error
    if scheme not in ("http", "https"):
        raise FetchFailed(f"it redirects to {scheme or 'nowhere'}, which is not HTTP")
    if scheme == "http" and urlsplit(url).scheme == "https":
        raise FetchFailed(
            f"it redirects to {_plain(target)}, where anybody on the way could change what comes"
        )
    return target


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise FetchFailed(f"{_plain(url)} is no address") from error
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def _plain(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise FetchFailed(f"{ca_file} holds no certificate of an authority: {error}") from error


@contextmanager
def _named(url: str) -> Iterator[None]:
    """Say what a network did in words that are the same the next time."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    try:
        yield
    except SSLError as error:
        if isinstance(_below(error), ssl.SSLEOFError):
            raise Interrupted(f"the connection to {host} broke") from error
        raise FetchFailed(f"TLS with {host} failed: {_reason(error)}") from error
    except LocationValueError as error:
        raise FetchFailed(f"{_plain(url)} is no address: {error}") from error
    except NameResolutionError as error:
        raise Interrupted(f"the name of {host} is not known") from error
    except NewConnectionError as error:
        raise Interrupted(f"no connection to {host}: {_reason(error)}") from error
    except ConnectTimeoutError as error:
        raise Interrupted(f"no connection to {host} within {_CONNECT_SECONDS:g} seconds") from error
    except ReadTimeoutError as error:
        raise Interrupted(f"nothing came from {host} for {_READ_SECONDS:g} seconds") from error
    except HTTPError as error:
        raise Interrupted(f"the connection to {host} broke") from error


def _reason(error: Exception) -> str:
    """What the operating system or OpenSSL says, without the address of an object."""
    below = _below(error)
    if isinstance(below, ssl.SSLCertVerificationError):
        return below.verify_message
    if isinstance(below, ssl.SSLError):
        return (below.reason or "it does not speak TLS").lower().replace("_", " ")
    if isinstance(below, OSError) and below.strerror:
        return below.strerror.lower()
    return "it cannot be reached"


def _below(error: Exception) -> object:
    """What urllib3 wraps."""
    return error.__cause__ or error.__context__ or (error.args[0] if error.args else error)
