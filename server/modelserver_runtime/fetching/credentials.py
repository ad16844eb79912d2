"""Credentials as the kubelet mounts them: a folder with a file for each key of a Secret."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from modelserver_runtime.errors import SettingError

_LONGEST: Final = 16 * 1024
_IN_BASE64: Final = ("username", "password")
"""These may hold any letter; the others stand in a header as they are."""


@dataclass(frozen=True)
class HttpCredentials:
    """A bearer token, or a user's name and password."""

    token: str | None = None
    username: str | None = None
    password: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """
        Read the keys of a Secret: `token`, or `username` and `password`.

        Raises:
            SettingError: neither is there.
        """
        found = cls(*(_value(folder, name) for name in ("token", "username", "password")))
        if found.token is None and (found.username is None or found.password is None):
            raise SettingError(f"{folder} has neither token nor username and password")
        return found

    def authorization(self) -> str:
        """The header that carries them."""
        if self.token is not None:
            return f"Bearer {self.token}"
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


@dataclass(frozen=True)
class S3Credentials:
    """An access key, with the token of its session if it is one for a while."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """
        Read the keys of a Secret, named as the variables of the AWS tools are.

        Raises:
            SettingError: one is missing.
        """
        key, secret, token = (
            _value(folder, f"AWS_{name}")
            for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
        )
        if key is None or secret is None:
            raise SettingError(f"{folder} has not both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        return cls(key, secret, token)


def _value(folder: Path, name: str) -> str | None:
    """Read one value; what is around it, such as an editor's line end, is not part of it."""
    file = folder / name
    try:
        value = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{file} cannot be read") from error
    if not value:
        return None
    fits = value.isprintable() and (value.isascii() or name in _IN_BASE64)
    if not fits or len(value) > _LONGEST:
        letters = "printable characters" if name in _IN_BASE64 else "printable ASCII"
        raise SettingError(f"{file} is no credential: it must be one line of {letters}")
    return value
