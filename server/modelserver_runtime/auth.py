"""Bearer tokens out of a mounted file, re-read when it changes."""

import hmac
from collections.abc import Callable
from pathlib import Path

import structlog

from modelserver_runtime.changing_files import ChangingFiles
from modelserver_runtime.errors import Forbidden, SettingError, Unauthorized

log = structlog.get_logger()

MIN_TOKEN_BYTES = 16


class Tokens:
    """
    The tokens that open this server: one a line, `#` begins a comment, so that old and new overlap.

    Args:
        path: the file; a Secret's volume replaces it by swapping a link.
        clock: seconds, growing.

    Raises:
        SettingError: the file cannot be read or has no token at start.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._files = ChangingFiles((path,), clock)
        self._tokens = self._read()

    def admit(self, authorization: bytes) -> bytes:
        """
        Check an Authorization header; returns the token.

        Raises:
            Unauthorized: there is none.
            Forbidden: it is not one of ours.
        """
        scheme, _, token = authorization.partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token:
            raise Unauthorized("send an Authorization header with a bearer token")
        self._reload_when_changed()
        # Every token is compared, and each in constant time: how long this takes tells nothing.
        if sum(hmac.compare_digest(token, known) for known in self._tokens) == 0:
            raise Forbidden("this token does not open this server")
        return token

    def _reload_when_changed(self) -> None:
        try:
            if not self._files.have_changed():
                return
            self._tokens = self._read()
        except SettingError as error:
            log.warning("tokens not reloaded; the old ones stay", problem=str(error))
            return
        self._files.taken()
        log.info("tokens reloaded", count=len(self._tokens))

    def _read(self) -> tuple[bytes, ...]:
        try:
            lines = [line.strip() for line in self._path.read_bytes().splitlines()]
        except OSError as error:
            raise SettingError(f"{self._path} cannot be read: {error.strerror}") from error
        tokens = tuple(line for line in lines if line and not line.startswith(b"#"))
        if not tokens:
            raise SettingError(f"{self._path} has no token")
        if any(len(token) < MIN_TOKEN_BYTES for token in tokens):
            raise SettingError(f"{self._path} has a token shorter than {MIN_TOKEN_BYTES} bytes")
        return tokens
