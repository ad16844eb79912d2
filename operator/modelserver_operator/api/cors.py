"""Which pages may ask, where they were not served by this server."""

import re
from typing import Annotated, Final

from pydantic import Field

from modelserver_operator.api.wire import ListType, Rule, Wire

_ORIGIN: Final = r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
# Of a host of 253 characters.
_LONGEST: Final = len("https://:65535") + 253


def _is_origin(text: str) -> bool:
    return re.fullmatch(_ORIGIN, text, re.ASCII) is not None


def _has_default_port(text: str) -> bool:
    return re.fullmatch("http://.*:80|https://.*:443", text) is not None


Origin = Annotated[
    str,
    Field(max_length=_LONGEST),
    Rule(
        cel=f"self.matches(r'^{_ORIGIN}$')",
        holds=_is_origin,
        message="must be one origin exactly as browsers send it, such as https://app.example.com or"
        " http://localhost:3000: scheme, host in lowercase and port, no path and no '*'",
    ),
    Rule(
        cel="!self.matches('^(http://.*:80|https://.*:443)$')",
        holds=lambda text: not _has_default_port(text),
        message="must be without :80 after http and :443 after https: browsers leave them out",
    ),
]


class Cors(Wire):
    """Which pages may ask from a browser, where they were not served by this server."""

    allow_origins: Annotated[
        tuple[Origin, ...], Field(min_length=1, max_length=32), ListType("atomic")
    ]
    """Origins of the pages. They send a token themselves: cookies are never let through."""
