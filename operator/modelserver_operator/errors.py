"""
What can go wrong in a reconcile, and what is done about each.

* ReconcileError
  + InvalidSpec      stalled: wait for a new generation
  + ChildConflict    stalled: a child of that name belongs to someone else
  + ApiUnavailable   transient: retry with backoff
"""

from typing import ClassVar


class ReconcileError(Exception):
    """One reconcile could not do its work; `reason` is the condition's reason."""

    reason: ClassVar[str] = "ReconcileFailed"


class InvalidSpec(ReconcileError):
    """The ModelServer asks for something that cannot be honoured."""

    reason = "InvalidSpec"

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(f"{field}: {message}")


class ChildConflict(ReconcileError):
    """An object with the name of a child exists and is not ours."""

    reason = "NameConflict"


class ApiUnavailable(ReconcileError):
    """The API server did not do what was asked, and may do it later."""

    reason = "ApiUnavailable"
