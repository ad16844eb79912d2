"""Quantities in the one spelling the API server gives back."""

import re
from decimal import Decimal
from typing import Final

_BINARY: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL: Final = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_SPELLING: Final = re.compile(r"^([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?)$")


def canonical(text: str | float) -> str:
    """Spell a quantity with the largest unit that leaves an integer; others come back as is."""
    match = _SPELLING.match(str(text))
    if match is None:
        return str(text)
    number, unit = Decimal(match[1]), match[2]
    if unit in _BINARY:
        units = {name: Decimal(1024) ** power for name, power in _BINARY.items()}
        amount = number * units[unit]
    else:
        units = {name: Decimal(1000) ** power for name, power in _DECIMAL.items()}
        amount = number * units[unit]
    for name, size in sorted(units.items(), key=lambda pair: -pair[1]):
        if amount and amount % size == 0:
            return f"{int(amount / size)}{name}"
    return f"{int(amount)}"
