"""The one table from what went wrong to what the client is told."""

from http import HTTPStatus
from typing import Any

import orjson

from modelserver_runtime import errors
from modelserver_runtime.clock import timestamp
from modelserver_runtime.exchange import Answer, Header

STATUS_OF: dict[type[errors.RequestError], int] = {
    errors.InvalidRequest: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.UnknownRoute: 404,
    errors.UnknownModel: 404,
    errors.ModelAbsent: 404,
    errors.MethodNotAllowed: 405,
    errors.NotAcceptable: 406,
    errors.BodyTooSlow: 408,
    errors.BodyTooLarge: 413,
    errors.UrlTooLong: 414,
    errors.UnsupportedMedia: 415,
    errors.RateLimited: 429,
    errors.HeadersTooLarge: 431,
    errors.ModelUnavailable: 503,
    errors.Overloaded: 503,
}

_SHORT: dict[type[errors.RequestError], str] = {
    errors.InvalidRequest: "Invalid request",
    errors.Unauthorized: "Unauthorized",
    errors.Forbidden: "Forbidden",
    errors.UnknownRoute: "Not found",
    errors.UnknownModel: "Model not found",
    errors.ModelAbsent: "Model not found",
    errors.MethodNotAllowed: "Method not allowed",
    errors.NotAcceptable: "Not acceptable",
    errors.BodyTooSlow: "Request too slow",
    errors.BodyTooLarge: "Request too large",
    errors.UrlTooLong: "URL too long",
    errors.RateLimited: "Too many requests",
    errors.HeadersTooLarge: "Headers too large",
    errors.UnsupportedMedia: "Unsupported media type",
    errors.ModelUnavailable: "Model not ready",
    errors.Overloaded: "Overloaded",
}

RETRY_AFTER_SECONDS = 1


def refusal(error: errors.RequestError, request_id: bytes) -> Answer:
    """The answer to a request that was refused with *error*."""
    status = STATUS_OF[type(error)]
    headers = _headers(error, status)
    body = error_body(_SHORT[type(error)], error.details, request_id, detail=error.detail)
    return Answer(status, body, headers=headers)


def internal_error(request_id: bytes) -> Answer:
    """The answer when we, or the model, failed: an id to look for in the log, and nothing else."""
    details = "The server failed to answer; the log has more under this request id"
    return Answer(500, error_body("Internal server error", details, request_id))


def error_body(short: str, details: str, request_id: bytes, detail: Any = None) -> bytes:
    """The body every error has, on every route."""
    content: dict[str, Any] = {
        "error": short,
        "details": details,
        "timestamp": timestamp(),
        "request_id": request_id.decode("ascii", "replace"),
    }
    if detail is not None:
        content["detail"] = detail
    return orjson.dumps(content)


def _headers(error: errors.RequestError, status: int) -> tuple[Header, ...]:
    if isinstance(error, errors.MethodNotAllowed):
        return ((b"allow", error.allowed.encode()),)
    if isinstance(error, errors.RateLimited):
        return ((b"retry-after", b"%d" % error.seconds),)
    if isinstance(error, errors.Unauthorized):
        return ((b"www-authenticate", b"Bearer"),)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ((b"retry-after", b"%d" % RETRY_AFTER_SECONDS),)
    if isinstance(error, errors.BodyTooLarge | errors.BodyTooSlow):
        # What is left of the body will not be read: the connection cannot go on.
        return ((b"connection", b"close"),)
    return ()
