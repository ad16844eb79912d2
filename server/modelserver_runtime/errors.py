"""
Everything that can go wrong, and what we do about it.

* SettingError                the process ends with exit code 64
* LoadError                   no model: 503 (404 for ModelNotFound), or the process ends with exit code 78
  + ModelNotFound             the folder or file is not there
  + ModelLoadFailed           it is there but cannot be read, parsed or run
  + LoadTimeout               loading took longer than it may
  + DigestMismatch            these are not the bytes that were pinned
  + VersionMismatch           another version than the one asked for, or made by another scikit-learn
  + UnsafeFormat              a format that was not allowed, or a type that could run code
  + GoldenMismatch            the model does not answer its own recorded examples as recorded
* RequestError                the client's mistake, or our being busy: told to the client, never logged with a stack
  + InvalidRequest            the body cannot be understood or does not fit the signature
  + BodyTooLarge  BodyTooSlow  UnsupportedMedia  NotAcceptable
  + UnknownRoute  MethodNotAllowed  UnknownModel
  + ModelAbsent               the model's file or folder does not exist
  + ModelUnavailable          no model is ready
  + Overloaded                over the concurrency or in-flight limit
"""

from collections.abc import Sequence
from typing import Any


class SettingError(Exception):
    """A setting that is unknown, malformed or contradicts another."""


class LoadError(Exception):
    """The model is not served; the message is one sentence for the person on call."""

    @property
    def reason(self) -> str:
        """CamelCase and stable: it becomes the reason of a ModelServer's condition."""
        return type(self).__name__


class ModelNotFound(LoadError): ...


class ModelLoadFailed(LoadError): ...


class LoadTimeout(LoadError): ...


class DigestMismatch(LoadError): ...


class VersionMismatch(LoadError): ...


class UnsafeFormat(LoadError): ...


class GoldenMismatch(LoadError): ...


class RequestError(Exception):
    """
    The request is refused.

    Args:
        details: what is wrong and where, for the client; never a value out of the body.
        detail: FastAPI's list of validation errors (`type`, `loc`, `msg`), when there is one.
    """

    def __init__(self, details: str, detail: Sequence[dict[str, Any]] | None = None) -> None:
        super().__init__(details)
        self.details = details
        self.detail = detail


class InvalidRequest(RequestError): ...


class BodyTooLarge(RequestError): ...


class BodyTooSlow(RequestError): ...


class UnsupportedMedia(RequestError): ...


class NotAcceptable(RequestError): ...


class UnknownRoute(RequestError): ...


class MethodNotAllowed(RequestError):
    """The route exists, but takes only the *allowed* methods (as an Allow header lists them)."""

    def __init__(self, allowed: str) -> None:
        super().__init__(f"this route takes {allowed}")
        self.allowed = allowed


class UnknownModel(RequestError): ...


class ModelAbsent(RequestError): ...


class ModelUnavailable(RequestError): ...


class Overloaded(RequestError): ...
