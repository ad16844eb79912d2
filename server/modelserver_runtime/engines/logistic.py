"""The logistic function of one number, without a call into NumPy."""

from math import exp

# exp(700) is finite, exp(710) is not; beyond it 1 / (1 + exp(-x)) and exp(x) are the same number.
_SAFE_EXPONENT = 700.0


def probability_of(score: float) -> float:
    """The probability of the second class."""
    return 1 / (1 + exp(-score)) if score > -_SAFE_EXPONENT else exp(score)
