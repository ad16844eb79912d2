"""
Everything that can go wrong, and what we do about it.

* SettingError                the process ends with exit code 64
* LoadError                   no model: 503 (404 for ModelNotFound), or the process ends with exit
code 78
  + ModelNotFound             the folder or file is not there
  + ModelLoadFailed           it is there but cannot be read, parsed or run
  + ModelTooLarge             it does not fit into the container's memory
  + LoadTimeout               loading took longer than it may
  + DigestMismatch            these are not the bytes that were pinned
  + SignatureInvalid          nobody whose key we have signed these bytes
  + VersionMismatch           another version than the one asked for, or made by another scikit-
  learn
  + UnsafeFormat              a format that was not allowed, or a type that could run code
  + GoldenMismatch            the model does not answer its own recorded examples as recorded
  + FetchFailed               the artifact could not be brought from where it is; tried again
  + SourceTooLarge            there is more to fetch, or to unpack, than may be
  + UnsafeArchive             the archive is damaged, or holds what could do harm
* NotPackable                 no artifact can be made of an estimator: told to the one who tries
* RequestError                the client's mistake, or our being busy: told to the client, never
logged with a stack
  + InvalidRequest            the body cannot be understood or does not fit the signature
  + BodyTooLarge  BodyTooSlow  UrlTooLong  HeadersTooLarge  UnsupportedMedia  NotAcceptable
  + Unauthorized  Forbidden  RateLimited
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


class ModelNotFound(LoadError):
    """The folder or file is not there."""


class ModelLoadFailed(LoadError):
    """It is there, but cannot be read, parsed or run."""


class ModelTooLarge(LoadError):
    """
    It does not fit into the container's memory.

    Args:
        limit_bytes: of the container; None where it has none.
        share: of that, what loading may use.
    """

    def __init__(self, limit_bytes: int | None, share: float) -> None:
        if limit_bytes is None:
            super().__init__("the model asks for more memory than there is")
            return
        super().__init__(
            "the model does not fit into the container's memory: loading it takes more than "
            f"{share:.0%} of {limit_bytes / 2**20:g} MiB"
        )


class LoadTimeout(LoadError):
    """Loading took longer than *seconds*."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the model was not loaded within {seconds:g} seconds")


class DigestMismatch(LoadError):
    """These are not the bytes that were pinned."""


class SignatureInvalid(LoadError):
    """Nobody whose key we have signed these bytes."""


class VersionMismatch(LoadError):
    """Another version than asked for, or made by another scikit-learn."""


class UnsafeFormat(LoadError):
    """A format that was not allowed, or a type that could run code."""


class GoldenMismatch(LoadError):
    """The model does not answer its recorded examples as recorded."""


class FetchFailed(LoadError):
    """The artifact could not be brought from where it is."""


class SourceTooLarge(LoadError):
    """There is more to fetch, or to unpack, than may be."""


class UnsafeArchive(LoadError):
    """The archive is damaged, or holds what could do harm."""


class NotPackable(Exception):
    """No artifact can be made of this estimator; the message says why."""


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


class InvalidRequest(RequestError):
    """The body cannot be understood, or does not fit the signature."""


class BodyTooLarge(RequestError):
    """More bytes than a request may have."""


class BodyTooSlow(RequestError):
    """The body did not come in time."""


class UrlTooLong(RequestError):
    """The URL has more than *limit* bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the URL is longer than {limit} bytes")


class HeadersTooLarge(RequestError):
    """The headers have more than *limit* bytes, or are too many."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the headers are longer than {limit} bytes, or too many")


class UnsupportedMedia(RequestError):
    """The body is of a kind we do not read."""


class NotAcceptable(RequestError):
    """The client wants an answer of a kind we do not write."""


class UnknownRoute(RequestError):
    """There is no such route."""


class MethodNotAllowed(RequestError):
    """The route exists, but takes only the *allowed* methods (as an Allow header lists them)."""

    def __init__(self, allowed: str) -> None:
        super().__init__(f"this route takes {allowed}")
        self.allowed = allowed


class UnknownModel(RequestError):
    """Another model than ours was named."""


class Unauthorized(RequestError):
    """No token where one is needed."""


class Forbidden(RequestError):
    """A token that is not one of ours."""


class RateLimited(RequestError):
    """The client asks too often; it may again after *seconds*."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests; try again in {seconds} seconds")
        self.seconds = seconds


class ModelAbsent(RequestError):
    """The model's file or folder does not exist."""


class ModelUnavailable(RequestError):
    """No model is ready."""


class Overloaded(RequestError):
    """Over the concurrency or the in-flight limit."""
