"""The ways in which the API server says no, each in the words of Kubernetes."""

from collections.abc import Sequence
from typing import Any, Final

from apiserver.resources import Resource

REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Refused(Exception):
    """An answer other than success, as a Kubernetes Status."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASONS.get(code, "")
        self.details = details or {}

    @property
    def body(self) -> dict[str, Any]:
        """The Status object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({"details": self.details} if self.details else {}),
            "code": self.code,
        }


def _about(resource: Resource, name: str) -> dict[str, Any]:
    return {"name": name, "group": resource.group, "kind": resource.plural}


def not_found(resource: Resource, name: str) -> Refused:
    """No object of that name."""
    return Refused(404, f'{resource.qualified} "{name}" not found', details=_about(resource, name))


def already_exists(resource: Resource, name: str) -> Refused:
    """POST of a name that is taken."""
    return Refused(
        409,
        f'{resource.qualified} "{name}" already exists',
        reason="AlreadyExists",
        details=_about(resource, name),
    )


def conflict(resource: Resource, name: str, why: str) -> Refused:
    """The caller's picture of the object is not the object's present state."""
    return Refused(
        409,
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}',
        details=_about(resource, name),
    )


STALE: Final = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def invalid(resource: Resource, name: str, causes: Sequence[tuple[str, str]]) -> Refused:
    """The object breaks rules: pairs of a field and what is wrong with it."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    words = [f"{path}: {why}" for path, why in causes]
    text = words[0] if len(words) == 1 else f"[{', '.join(words)}]"
    return Refused(
        422,
        f'{kind} "{name}" is invalid: {text}',
        details={
            **_about(resource, name),
            "kind": resource.kind,
            "causes": [
                {"reason": "FieldValueInvalid", "message": why, "field": path}
                for path, why in causes
            ],
        },
    )
