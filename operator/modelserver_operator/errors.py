"""
What can go wrong while a ModelServer is reconciled, and what we do about each.

* ReconcileError
  + InvalidSpec           stalled: the children stay as they are until a new generation comes
  + ChildRefused          the child cannot be as desired: the others go on, the status says why
  + StatusRefused         what the status should say cannot be stored: an Event tells it, and we try
                          again more and more seldom
  + NamespaceTerminating  the namespace goes, and all that is in it: be quiet until it is gone
  + StalePicture          the object is not what we last saw of it: look at it and try again
  + ApiUnavailable        transient: try again with backoff, the status keeps what it says
"""

from modelserver_operator.reasons import Refusal


class ReconcileError(Exception):
    """A reconcile could not do all it meant to do."""


class InvalidSpec(ReconcileError):
    """The spec cannot be honoured; the message names the field and says what to write."""


class ChildRefused(ReconcileError):
    """
    A child cannot be made or changed.

    Attributes:
        reason: the reason that `Accepted` gives.
    """

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StatusRefused(ReconcileError):
    """The API server will not store the status; the message says so, and why."""


class NamespaceTerminating(ReconcileError):
    """Nothing can be made in a namespace that is being deleted."""


class StalePicture(ReconcileError):
    """The API server refused a write because the object has changed or gone since we saw it."""


class ApiUnavailable(ReconcileError):
    """
    The API server gave no usable answer.

    Attributes:
        retry_after: seconds the server asked to wait, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
