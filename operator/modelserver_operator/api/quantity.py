"""Kubernetes quantities, written as the API server writes them back."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from modelserver_operator.api.wire import RULES

_BINARY: Final = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = ("k", "M", "G", "T", "P", "E")
_UNITS: Final = (
    {"": Decimal(1), "m": Decimal("1e-3"), "u": Decimal("1e-6"), "n": Decimal("1e-9")}
    | {unit: Decimal(1000) ** power for power, unit in enumerate(_DECIMAL, start=1)}
    | {unit: Decimal(1024) ** power for power, unit in enumerate(_BINARY, start=1)}
)
_SYNTAX: Final = re.compile(
    r"(?P<number>\+?([0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20}))"
    rf"((?P<unit>{'|'.join(_UNITS)})|(?P<exponent>[eE][+-]?[0-9]{{1,2}}))",
    re.ASCII,
)
_MESSAGE: Final = "must be a quantity such as 500m, 2, 512Mi or 1Gi, and not below 0"


def canonical(value: Any) -> str:
    """
    Write *value* the way the API server does, so that a live object compares equal.

    What is finer than a thousandth is rounded up, as the API server does for containers.
    """
    parsed = _SYNTAX.fullmatch(str(value))
    if parsed is None:
        raise PydanticCustomError("quantity", _MESSAGE)
    unit = parsed["unit"] or ""
    exact = Decimal(parsed["number"] + (parsed["exponent"] or "")) * _UNITS[unit]
    thousandths = int((exact * 1000).to_integral_value(ROUND_CEILING))
    if thousandths % 1000:
        return f"{thousandths}m"
    base, units = (1024, _BINARY) if unit in _BINARY else (1000, _DECIMAL)
    return _with_largest_unit(thousandths // 1000, base, units)


def amount(quantity: str) -> Decimal:
    """Return the number that a canonical *quantity* stands for."""
    unit = quantity.lstrip("0123456789")
    return Decimal(quantity.removesuffix(unit)) * _UNITS[unit]


def _with_largest_unit(whole: int, base: int, units: tuple[str, ...]) -> str:
    taken = ""
    for unit in units:
        if whole == 0 or whole % base:
            break
        whole, taken = whole // base, unit
    return f"{whole}{taken}"


Quantity = Annotated[
    str,
    BeforeValidator(canonical),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": 32,
            RULES: [
                {
                    "rule": "isQuantity(string(self)) && sign(quantity(string(self))) >= 0",
                    "message": _MESSAGE,
                },
            ],
        },
    ),
]
"""A whole number, or a string with a unit; canonical once parsed."""
