"""Turns others' words into one line that stays the same for as long as the trouble does."""

import re
from typing import Final

_LONGEST: Final = 600

_ADDRESS: Final = r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\])(?::\d+)?"

_CHANGING: Final = (
    # A pod that was refused never existed; the next one that is tried has another name.
    (re.compile(r'^(?:Error creating: )?pods "[^"]*" is forbidden: '), ""),
    (re.compile(r'\bpods? "[^"]*"'), "a pod"),
    # What a quota has given to all others; what was asked for and the limit stay.
    (re.compile(r", used: .*?(?=, limited: )"), ""),
    (re.compile(rf"https?://{_ADDRESS}"), ""),
    (re.compile(rf" ?{_ADDRESS}(?:->{_ADDRESS})?"), ""),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "…"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "…"),
    # Identities of containers and sandboxes, but not the digests of artifacts and images.
    (re.compile(r"(?<!sha256:)\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b"), "…"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "…"),
    (re.compile(r"\bpod\(s\) [^ ,]+(?:, [^ ,]+)*"), "another pod"),
)


def sentence(words: str) -> str:
    """Put *words* on one line of bounded length, without a full stop, fit for a terminal."""
    plain = "".join(letter if letter.isprintable() else " " for letter in words)
    return " ".join(plain.split())[:_LONGEST].rstrip(". ")


def lasting(words: str, pod_name: str = "") -> str:
    """
    Do the same, and leave out what differs from pod to pod or from one minute to the next.

    Args:
        words: the kubelet's, the scheduler's, the API server's or a log's.
        pod_name: whose name is left out.
    """
    for pattern, instead in _CHANGING:
        words = pattern.sub(instead, words)
    return sentence(words.replace(pod_name, "the pod") if pod_name else words)
