"""Kubernetes quantities, written as the API server writes them back."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from modelserver_operator.api.wire import RULES, Rule

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
_BELOW_ONE: Final = ("n", "u", "m")
_MESSAGE: Final = "must be a quantity such as 500m, 2, 512Mi or 1Gi, and not below 0"


def canonical(value: Any, finest: Literal["n", "u", "m"] = "m") -> str:
    """
    Write *value* the way the API server does, so that a live object compares equal.

    What is finer than *finest* is rounded up: the API server keeps thousandths for containers and
    billionths elsewhere.
    """
    parsed = _SYNTAX.fullmatch(str(value))
    if parsed is None:
        raise PydanticCustomError("quantity", _MESSAGE)
    unit = parsed["unit"] or ""
    exact = Decimal(parsed["number"] + (parsed["exponent"] or "")) * _UNITS[unit]
    count = int((exact / _UNITS[finest]).to_integral_value(ROUND_CEILING))
    for below_one in _BELOW_ONE[_BELOW_ONE.index(finest) :]:
        if count % 1000:
            return f"{count}{below_one}"
        count //= 1000
    base, units = (1024, _BINARY) if unit in _BINARY else (1000, _DECIMAL)
    return _with_largest_unit(count, base, units)


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


def _is_quantity(value: Any) -> bool:
    return _SYNTAX.fullmatch(str(value)) is not None


IS_QUANTITY: Final = Rule(
    cel="isQuantity(string(self)) && sign(quantity(string(self))) >= 0",
    holds=_is_quantity,
    message=_MESSAGE,
)
IS_POSITIVE: Final = Rule(
    cel="isQuantity(string(self)) && sign(quantity(string(self))) > 0",
    holds=lambda value: _is_quantity(value) and amount(canonical(value, finest="n")) > 0,
    message="must be a quantity above 0 such as 500m, 2 or 100",
)

Quantity = Annotated[
    str,
    BeforeValidator(canonical),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "maxLength": 32, RULES: [IS_QUANTITY.schema()]}
    ),
]
"""A whole number, or a string with a unit; canonical once parsed."""
