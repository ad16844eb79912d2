"""What the command's exit code says: a class of failure each, so that a pipeline can tell them."""

from collections.abc import Mapping
from typing import Final

from modelserver_runtime.errors import LoadError, NotPackable, SettingError

USAGE: Final = 2
NOT_PACKABLE: Final = 65
NO_SETTING: Final = 64
NO_FILE: Final = 74

EXIT_CODES: Final[Mapping[str, int]] = {
    "ModelNotFound": 80,
    "ModelLoadFailed": 81,
    "LoadTimeout": 82,
    "DigestMismatch": 83,
    "VersionMismatch": 84,
    "UnsafeFormat": 85,
    "GoldenMismatch": 86,
    "ModelTooLarge": 87,
    "SignatureInvalid": 88,
    "FetchFailed": 90,
    "SourceTooLarge": 91,
    "UnsafeArchive": 92,
}
"""One for each way in which an artifact cannot be served, by its reason."""

MEANINGS: Final[Mapping[int, str]] = {
    0: "done",
    USAGE: "the command was called wrongly",
    NO_SETTING: "a setting does not exist or does not fit",
    NOT_PACKABLE: "no artifact can be made of this model or these data",
    NO_FILE: "a file cannot be read or written",
    **{code: f"`{reason}`" for reason, code in EXIT_CODES.items()},
}

EPILOG: Final = "Exit codes: " + ", ".join(f"{code} {what}" for code, what in MEANINGS.items())


def exit_code(error: Exception) -> int:
    """The code that the command ends with because of *error*."""
    if isinstance(error, LoadError):
        return EXIT_CODES[error.reason]
    if isinstance(error, NotPackable):
        return NOT_PACKABLE
    return NO_SETTING if isinstance(error, SettingError) else NO_FILE
