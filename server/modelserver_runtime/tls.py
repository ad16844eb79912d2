"""The certificate that the port speaks with, taken up anew when it is replaced."""

import ssl
from collections.abc import Callable
from pathlib import Path

import structlog

from modelserver_runtime.changing_files import ChangingFiles
from modelserver_runtime.errors import SettingError

log = structlog.get_logger()


class Certificate:
    """
    A certificate chain and its key, from mounted files.

    Attributes:
        context: for every listener; connections made before a reload keep what they have.

    Args:
        chain: PEM, the server's own certificate first.
        key: PEM, not encrypted.
        clock: seconds, growing.

    Raises:
        SettingError: the files cannot be read, or do not belong together.
    """

    def __init__(self, chain: Path, key: Path, clock: Callable[[], float]) -> None:
        self._chain = chain
        self._key = key
        self._files = ChangingFiles((chain, key), clock)
        self.context = self._loaded()

    def reload_when_changed(self) -> None:
        """Take up a new pair; where it is broken, go on with the old one and say so."""
        try:
            if not self._files.have_changed():
                return
            # Tried apart first: a chain whose key does not fit would be half taken up.
            self._loaded()
            self._take_up(self.context)
        except SettingError as error:
            log.warning("certificate not reloaded; the old one stays", problem=str(error))
            return
        self._files.taken()
        log.info("certificate reloaded", file=str(self._chain))

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self._take_up(context)
        return context

    def _take_up(self, context: ssl.SSLContext) -> None:
        try:
            # A key with a passphrase would make OpenSSL ask on the terminal.
            context.load_cert_chain(self._chain, self._key, password=lambda: "")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise SettingError(
                f"{self._chain} and {self._key} are no certificate and its key: {error}"
            ) from error
