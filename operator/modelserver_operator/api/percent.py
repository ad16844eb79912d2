"""A number of pods, or a share of them."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from modelserver_operator.api.wire import RULES

_MESSAGE = "must be a number of pods such as 1, or a share such as 25%, up to 100%"
_PERCENT = re.compile(r"([1-9]?[0-9]|100)%", re.ASCII)


def _read(value: Any) -> int | str:
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1000:  # noqa: PLR2004 - the maximum of replicas
        return value
    raise PydanticCustomError("int_or_percent", _MESSAGE)


IntOrPercent = Annotated[
    int | str,
    BeforeValidator(_read),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": 4,
            RULES: [
                {
                    "rule": "type(self) == int ? self >= 0 && self <= 1000"
                    " : self.matches('^([1-9]?[0-9]|100)%$')",
                    "message": _MESSAGE,
                },
            ],
        },
    ),
]
"""A whole number from 0 to 1000, or a percentage such as `25%`."""


def pods(share: int | str, of: int) -> int:
    """Tell how many of *of* pods *share* is, rounded up as Kubernetes does for disruptions."""
    if isinstance(share, int):
        return share
    return -(-int(share.removesuffix("%")) * of // 100)
