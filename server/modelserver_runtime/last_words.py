"""Why a process ends, where the kubelet and `kubectl logs` find it."""

import json
import sys
from pathlib import Path

MESSAGE_CHARACTERS = 900  # the kubelet keeps 4096 bytes, and half an object would say nothing


def say_why(reason: str, message: str, termination_log: str | None) -> None:
    """
    One JSON line for the person on call, on standard error and in *termination_log*.

    Args:
        reason: one of those that the operator knows.
        message: one sentence.
        termination_log: path of the file; nothing is written to it where there is none.
    """
    said = line(reason, message)
    if termination_log:
        try:
            Path(termination_log).write_text(said, encoding="utf-8")
        except OSError as problem:
            _report(f"{termination_log} cannot be written: {problem}")
    _report(said)


def line(reason: str, message: str) -> str:
    """Say it as the operator understands it."""
    told = {"reason": reason, "message": message[:MESSAGE_CHARACTERS]}
    return json.dumps(told, ensure_ascii=False)


def _report(said: str) -> None:
    sys.stderr.write(said + "\n")
    sys.stderr.flush()
